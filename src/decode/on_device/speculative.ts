/**
 * Speculative decoding on a device: a draft of several tokens, the target's pass over them, the
 * verdict and the rollback are queued together, and the host reads a few numbers per block.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import { releaseTree, upload } from "../../runtime/device.ts";
import type { Decoder } from "../decoder.ts";
import { type DraftLength, fixedLength } from "../draft_length.ts";
import { type Clock, machineClock } from "../text_state.ts";
import { lawOf, plainQueue, type QueuePlain, type TextOnDevice } from "./autoregressive.ts";
import { blockLaw } from "./block_law.ts";
import { checkClasses, classTables } from "./classes.ts";
import { coinTable } from "./coin_table.ts";
import { type Drafter, drafterOf, type DraftOnDevice } from "./drafter.ts";
import { compileJudgePass, type JudgePass } from "./passes.ts";
import {
  type NextStep,
  type OnDeviceState,
  type Pipeline,
  pipelined,
  type PipelineOptions,
  type Queued,
} from "./pipeline.ts";
import { placeAfter } from "./place.ts";
import type { ModelOnDevice, Sequence } from "./model.ts";
import { sampledLaw } from "./sampled_law.ts";
import { numbersOf, type Sampling } from "./sampling.ts";
import { type Hold, releasingAll, type Sequences, sequencesOf, uploadHolding } from "./sequence.ts";

/** The parts of a {@link speculativeOnDevice} decoder. */
export interface SpeculativeOnDeviceOptions extends PipelineOptions {
  /** The model that decides. */
  readonly target: ModelOnDevice;
  /** The model that runs ahead, on the same device. */
  readonly draft: DraftOnDevice;
  /** What shapes both models' distributions. */
  readonly sampling: Sampling;
  /**
   * How drafted tokens are judged: one by one, as by `verifyToken`, or together, as by `verifyBlock`,
   * which is longer at it and lets no fewer stand; one by one if left out.
   */
  readonly verify?: "token" | "block";
}

/** The arrays of a text that two models decode on a device. */
export interface DraftedTextOnDevice extends TextOnDevice {
  /** The draft's keys and values. */
  readonly draft: Sequence;
  /** How many tokens the draft has not read, the text's last two left out. */
  readonly behind: number;
}

function checkParts({ target, draft }: SpeculativeOnDeviceOptions): void {
  if (draft.device !== target.device) {
    throw new OutriderError(
      "a draft on the target's device",
      `one on ${draft.device.name}, the target on another ${target.device.name}`,
      "load both on one device, or decode with speculative",
    );
  }
  checkClasses(target.config.vocabulary, draft.config.vocabulary, draft.vocabulary);
}

/**
 * A decoder that emits the target's distribution, several tokens per target pass, and drafts, judges
 * and rolls back on the device: token verification (Leviathan et al. 2023, algorithm 1; Chen et al.
 * 2023, algorithm 2) or block verification (Sun et al. 2024, algorithm 2) with the coins of
 * `speculative`.
 *
 * `gamma` is the number of tokens to draft, 1 or more, or a {@link DraftLength} rule, which may see
 * reports late; near the end of a context fewer of them are judged. The host reads `gamma + 3` numbers
 * per block, and one per step without a draft.
 *
 * The law of the text is the target's to within the rounding of f32, some 2^-23 per token; at
 * temperature 0 the text is that of plain decoding, bit for bit. Errors are those of
 * `autoregressiveOnDevice`.
 *
 * @throws OutriderError for a gamma or a sampling out of range, models on different devices, or
 * vocabularies that do not fit
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { autoregressiveOnDevice, generate, limit, speculativeOnDevice } from "@outrider/outrider/decode";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { createDevice, uploadTree } from "@outrider/outrider/runtime";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const config = tinyLlama({ width: 8, vocabulary: 16, contextLength: 32 });
 * const model = (seed: number) => ({
 *   device,
 *   config,
 *   parameters: uploadTree(device, initLlama(keyOf(seed), config)),
 * });
 * const [target, sampling, key] = [model(1), { temperature: 0 }, keyOf(3)];
 * const plain = autoregressiveOnDevice({ target, sampling });
 * const ahead = speculativeOnDevice({ target, draft: model(2), gamma: 2, sampling });
 * const { tokens } = await generate(limit(ahead, 6), [3, 1], { key });
 * assertEquals(tokens, (await generate(limit(plain, 6), [3, 1], { key })).tokens);
 * ```
 */
export function speculativeOnDevice(
  options: SpeculativeOnDeviceOptions & { readonly gamma: number },
): Decoder<OnDeviceState<DraftedTextOnDevice>>;
/** The same with a rule for the number of tokens to draft. */
export function speculativeOnDevice<LengthState>(
  options: SpeculativeOnDeviceOptions & { readonly gamma: DraftLength<LengthState> },
): Decoder<OnDeviceState<DraftedTextOnDevice, LengthState>>;
export function speculativeOnDevice<LengthState>(
  options: SpeculativeOnDeviceOptions & { readonly gamma: number | DraftLength<LengthState> },
):
  | Decoder<OnDeviceState<DraftedTextOnDevice>>
  | Decoder<OnDeviceState<DraftedTextOnDevice, LengthState>> {
  checkParts(options);
  const { gamma } = options;
  if (typeof gamma !== "number") {
    return pipelined(draftedPipeline(options, gamma), { ...options, rule: gamma });
  }
  if (Number.isInteger(gamma) && gamma >= 1) {
    const rule = fixedLength(gamma);
    return pipelined(draftedPipeline(options, rule), { ...options, rule });
  }
  throw new OutriderError("a gamma of 1 or more", `${gamma}`, "3 to 5 are usual");
}

/** What steps are queued with. */
interface Parts {
  readonly target: ModelOnDevice;
  readonly targets: Sequences;
  readonly drafter: Drafter;
  readonly judge: JudgePass;
  readonly plain: QueuePlain;
  /** Steps in flight beyond the one that is read. */
  readonly ahead: number;
  readonly now: Clock;
}

function partsOf(
  { target, draft, sampling, verify, ahead = 0, now = machineClock }: SpeculativeOnDeviceOptions,
): Parts {
  const { device, config } = target;
  const law = lawOf(sampling, verify === "block" ? blockLaw : sampledLaw);
  const classes = classTables(draft.vocabulary);
  const draftContext = draft.config.contextLength;
  const targets = sequencesOf(target);
  return {
    target,
    targets,
    drafter: drafterOf(draft, { law, classes }),
    judge: compileJudgePass({ device, config, law, classes, draftContext }),
    plain: plainQueue(target, targets, law),
    ahead,
    now,
  };
}

function draftedPipeline(
  options: SpeculativeOnDeviceOptions,
  { isPlain }: Pick<DraftLength<unknown>, "isPlain">,
): Pipeline<DraftedTextOnDevice> {
  const parts = partsOf(options);
  const { target: { device, config }, targets, drafter } = parts;
  return {
    vocabulary: config.vocabulary,
    contextLength: config.contextLength,
    open: async (prompt) => {
      const seen = prompt.slice(0, -1);
      const target = await targets.open(seen);
      // A draft that will never be asked reads nothing.
      const read = isPlain === true ? [] : seen;
      const draft = await drafter.open(read).catch((error) => {
        releaseTree(target);
        throw error;
      });
      return releasingAll([target, draft], (hold) => ({
        target,
        draft,
        place: uploadHolding(device, placeAfter(prompt), hold),
        sampling: uploadHolding(device, numbersOf(options.sampling), hold),
        behind: Math.max(0, prompt.length - 2 - read.length),
      }));
    },
    queue: (work, step) => queued(parts, work, step),
    outcome: (result) => {
      if (result.length === 1) return { tokens: [...result], proposal: [] };
      const [accepted, next, judged, ...drafted] = result;
      return { tokens: [...drafted.slice(0, accepted), next], proposal: drafted.slice(0, judged) };
    },
    release: releaseTree,
    close: ({ target, draft, place, sampling, behind }, { text, length }) => {
      releaseTree([place, sampling]);
      targets.close(target, text.slice(0, -1));
      const read = Math.min(text.length, length.least - 2 - behind);
      drafter.close(draft, text.slice(0, Math.max(0, read)));
    },
  };
}

/** Queues a step with a draft or without one, or none before what is in flight is known. */
function queued(
  parts: Parts,
  work: DraftedTextOnDevice,
  step: NextStep,
): Queued<DraftedTextOnDevice> | undefined {
  const { text, length: { least, most }, gamma } = step;
  const { behind, draft } = work;
  const room = Math.min(parts.target.config.contextLength - 1, parts.drafter.contextLength);
  // A draft that missed tokens and has no room to read them stays behind.
  if (gamma === 0 || (behind > 0 && least > room)) {
    const plain = parts.plain(work, step);
    return { ...plain, work: { ...plain.work, draft, behind: behind + 1 } };
  }
  const isKnown = least === most && least - 2 <= text.length;
  if (behind > 0 && !isKnown) return undefined;
  return releasingAll(work, (hold) => speculated(parts, work, step, hold));
}

/** Queues a draft, the target's pass over it and the verdict. */
function speculated(
  { target: { device, parameters }, targets, drafter, judge, ahead, now }: Parts,
  work: DraftedTextOnDevice,
  { text, coins, length: { least, most }, gamma }: NextStep,
  hold: Hold,
): Queued<DraftedTextOnDevice> {
  const started = now();
  const starts = most - least + 1;
  const places = { first: least, starts, gamma, most: 1 + ahead * gamma };
  const table = upload(device, coinTable(coins, places));
  hold(table);
  const missed = text.slice(least - 2 - work.behind, least - 2);
  const read = work.behind === 0
    ? work.draft
    : drafter.read(work.draft, missed, least - 2 - work.behind, hold);
  const { place, sampling } = work;
  const asked = { place, sampling, coins: table, gamma, most };
  const { sequence, drafted } = drafter.draft(read, asked, hold);
  const drafting = now();
  const grown = targets.withRoom(work.target, most + gamma, hold);
  const judged = drafted.map(({ drawn, evidence }) => ({ drawn, evidence }));
  const passed = judge(parameters, grown.layers, place, judged, table, sampling);
  releaseTree([table, drafted, place]);
  const next = {
    target: { ...grown, layers: passed.cache },
    draft: sequence,
    place: passed.place,
    sampling,
    behind: 0,
  };
  return { work: next, result: passed.result, gamma, draftSeconds: drafting - started };
}
