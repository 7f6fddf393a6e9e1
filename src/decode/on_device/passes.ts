/**
 * The compiled passes of decoding on a device: what one gives goes into the next without a word to
 * the host.
 *
 * @module
 */
import { add, full, maximum, sub } from "../../core/elementwise_ops.ts";
import { concat, sliceAxis } from "../../core/movement_ops.ts";
import type { Tensor } from "../../core/tensor.ts";
import { type KvLayers, llama, llamaLogits, type LlamaRows } from "../../nn/llama.ts";
import type { LlamaConfig } from "../../nn/llama_config.ts";
import type { LlamaParameters } from "../../nn/llama_parameters.ts";
import { compile } from "../../runtime/compile.ts";
import type { Device } from "../../runtime/device.ts";
import type { DeviceArray } from "../../runtime/device_array.ts";
import type { ClassTables } from "./classes.ts";
import { type BlockCoins, coinsAt } from "./coin_table.ts";
import type { Evidence, TokenLaw } from "./law.ts";
import { advanced, chainRows, type Place, roomFor, sliceLast } from "./place.ts";
import type { SamplingNumbers } from "./sampling.ts";
import { pick } from "./standing.ts";

/** One drafted token. */
export interface Drafted<Leaf> {
  /** i32 `[1]`: its class. */
  readonly drawn: Leaf;
  /** What the verdict has to know of its distribution. */
  readonly evidence: Evidence<Leaf>;
  /** i32 `[1]`: how many tokens of the block are drafted, this one included. */
  readonly count: Leaf;
}

/** What a pass leaves behind it. */
export interface Passed<Leaf> {
  /** Keys and values. */
  readonly cache: KvLayers<Leaf>;
  /** Where the text stands. */
  readonly place: Place<Leaf>;
  /** i32: what the host reads. */
  readonly result: Leaf;
}

/** A model's weights and the keys and values of its text; these are donated. */
type Model<Leaf> = [parameters: LlamaParameters<Leaf>, cache: KvLayers<Leaf>];

/** Logits of the last `wanted` of some rows, f32 `[wanted, vocabulary]`. */
function logitsOf(
  config: LlamaConfig,
  [parameters, cache]: Model<Tensor>,
  rows: LlamaRows,
  wanted: number,
): { readonly logits: Tensor; readonly cache: KvLayers<Tensor> } {
  const output = llama(config, parameters, rows, cache);
  const count = rows.tokens.shape[0];
  const hidden = sliceAxis(output.hidden, 0, count - wanted, wanted);
  return { logits: llamaLogits(parameters, hidden), cache: output.cache };
}

/** The pass of plain decoding; its result is the token, i32 `[1]`. */
export type PlainPass = (
  parameters: LlamaParameters<DeviceArray>,
  cache: KvLayers<DeviceArray>,
  place: Place<DeviceArray>,
  coins: DeviceArray,
  sampling: SamplingNumbers<DeviceArray>,
) => Passed<DeviceArray>;

/** Compiles plain decoding. */
export function compilePlainPass(device: Device, config: LlamaConfig, law: TokenLaw): PlainPass {
  const pass = (
    parameters: LlamaParameters<Tensor>,
    cache: KvLayers<Tensor>,
    place: Place<Tensor>,
    coins: Tensor,
    sampling: SamplingNumbers<Tensor>,
  ): Passed<Tensor> => {
    const token = sliceLast(place.last);
    const rows = chainRows(token, sub(place.length, 1), config.contextLength);
    const passed = logitsOf(config, [parameters, cache], rows, 1);
    const { tokens: next } = law.choose(
      passed.logits,
      coinsAt(coins, place.length).sample,
      sampling,
    );
    const length = add(place.length, 1);
    return { cache: passed.cache, place: { length, last: concat([token, next], 0) }, result: next };
  };
  return compile(device, pass, { name: "a step on the device", donate: [1] });
}

/** The passes of a draft model. */
export interface DraftPasses {
  /**
   * Drafts the first token of a block. Its two rows are the text's last two tokens: the first of them
   * was drafted last and not read, where all of a block stood, and is else read to the same bits again.
   */
  readonly first: (
    parameters: LlamaParameters<DeviceArray>,
    cache: KvLayers<DeviceArray>,
    place: Place<DeviceArray>,
    coins: DeviceArray,
    sampling: SamplingNumbers<DeviceArray>,
  ) => { readonly cache: KvLayers<DeviceArray>; readonly drafted: Drafted<DeviceArray> };
  /** Drafts the token after one that was drafted. */
  readonly next: (
    parameters: LlamaParameters<DeviceArray>,
    cache: KvLayers<DeviceArray>,
    length: DeviceArray,
    drafted: Pick<Drafted<DeviceArray>, "drawn" | "count">,
    coins: DeviceArray,
    sampling: SamplingNumbers<DeviceArray>,
  ) => { readonly cache: KvLayers<DeviceArray>; readonly drafted: Drafted<DeviceArray> };
}

/** What the passes of a draft are compiled for. */
export interface DraftPassOptions {
  readonly device: Device;
  readonly config: LlamaConfig;
  readonly law: TokenLaw;
  readonly classes: ClassTables;
}

/** Compiles drafting. */
export function compileDraftPasses(options: DraftPassOptions): DraftPasses {
  const { device, config, law, classes } = options;
  const draft = (
    model: Model<Tensor>,
    rows: LlamaRows,
    before: Tensor,
    coins: BlockCoins,
    sampling: SamplingNumbers<Tensor>,
  ) => {
    const passed = logitsOf(config, model, rows, 1);
    const logits = classes.possible(passed.logits);
    const coin = { high: pick(coins.draft.high, before), low: pick(coins.draft.low, before) };
    const { tokens: drawn, evidence } = law.choose(logits, coin, sampling);
    return { cache: passed.cache, drafted: { drawn, evidence, count: add(before, 1) } };
  };
  const first = (
    parameters: LlamaParameters<Tensor>,
    cache: KvLayers<Tensor>,
    { length, last }: Place<Tensor>,
    coins: Tensor,
    sampling: SamplingNumbers<Tensor>,
  ) => {
    const rows = chainRows(classes.ofTokens(last), sub(length, 2), config.contextLength);
    const none = full([1], 0, "i32");
    return draft([parameters, cache], rows, none, coinsAt(coins, length), sampling);
  };
  const next = (
    parameters: LlamaParameters<Tensor>,
    cache: KvLayers<Tensor>,
    length: Tensor,
    { drawn, count }: Pick<Drafted<Tensor>, "drawn" | "count">,
    coins: Tensor,
    sampling: SamplingNumbers<Tensor>,
  ) => {
    const rows = chainRows(drawn, add(length, sub(count, 1)), config.contextLength);
    return draft([parameters, cache], rows, count, coinsAt(coins, length), sampling);
  };
  return {
    first: compile(device, first, { name: "the first draft on the device", donate: [1] }),
    next: compile(device, next, { name: "a draft on the device", donate: [1] }),
  };
}

/**
 * The target's pass over a drafted block with the verdict on it. Its result is i32 `[gamma + 3]`: how
 * many tokens stand, the token after them (-1 for bad logits), how many were judged, the drafted ones.
 */
export type JudgePass = (
  parameters: LlamaParameters<DeviceArray>,
  cache: KvLayers<DeviceArray>,
  place: Place<DeviceArray>,
  drafted: readonly Pick<Drafted<DeviceArray>, "drawn" | "evidence">[],
  coins: DeviceArray,
  sampling: SamplingNumbers<DeviceArray>,
) => Passed<DeviceArray>;

/** Compiles the target's pass over a block of a draft with so long a context. */
export function compileJudgePass(
  options: DraftPassOptions & { readonly draftContext: number },
): JudgePass {
  const { device, config, law, classes, draftContext } = options;
  const pass = (
    parameters: LlamaParameters<Tensor>,
    cache: KvLayers<Tensor>,
    place: Place<Tensor>,
    drafted: readonly Pick<Drafted<Tensor>, "drawn" | "evidence">[],
    coins: Tensor,
    sampling: SamplingNumbers<Tensor>,
  ): Passed<Tensor> => {
    const drawn = concat(drafted.map((one) => one.drawn), 0);
    const tokens = classes.tokensOf(drawn);
    const block = concat([sliceLast(place.last), tokens], 0);
    const gamma = drafted.length;
    const rows = chainRows(block, sub(place.length, 1), config.contextLength);
    const passed = logitsOf(config, [parameters, cache], rows, gamma + 1);
    const contexts = [config.contextLength, draftContext + 1];
    const limit = maximum(0, roomFor(gamma, place.length, contexts));
    const verdict = law.judge(
      {
        drafted: drawn,
        evidence: drafted.map(({ evidence }) => evidence),
        targetLogits: passed.logits,
        limit,
        classes,
      },
      coinsAt(coins, place.length),
      sampling,
    );
    return {
      cache: passed.cache,
      place: advanced(place, tokens, verdict),
      result: concat([verdict.accepted, verdict.next, limit, tokens], 0),
    };
  };
  return compile(device, pass, { name: "a verdict on the device", donate: [1] });
}
