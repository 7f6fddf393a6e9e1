/**
 * Speculative decoding on a device: a draft of several tokens, the target's pass over them, the
 * verdict and the rollback are queued together, and the host reads a few numbers per block.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { TrimmedVocabulary } from "../../nn/trimmed_vocabulary.ts";
import { releaseTree, upload } from "../../runtime/device.ts";
import type { DeviceArray } from "../../runtime/device_array.ts";
import type { Decoder } from "../decoder.ts";
import { machineClock } from "../text_state.ts";
import { lawOf, type TextOnDevice } from "./autoregressive.ts";
import { blockLaw } from "./block_law.ts";
import { checkClasses, classTables } from "./classes.ts";
import { coinTable } from "./coin_table.ts";
import { compileDraftPasses, compileJudgePass, type Drafted, type DraftPasses } from "./passes.ts";
import { type OnDeviceState, pipelined, type PipelineOptions } from "./pipeline.ts";
import { placeAfter } from "./place.ts";
import type { ModelOnDevice } from "./remember_prefix.ts";
import { sampledLaw } from "./sampled_law.ts";
import { numbersOf, type Sampling } from "./sampling.ts";
import { releasingAll, type Sequence, sequencesOf, uploadHolding } from "./sequence.ts";

/** A draft model on a device. */
export interface DraftOnDevice extends ModelOnDevice {
  /** Which of the target's tokens its classes are, for a model of a trimmed vocabulary. */
  readonly vocabulary?: TrimmedVocabulary;
}

/** The parts of a {@link speculativeOnDevice} decoder. */
export interface SpeculativeOnDeviceOptions extends PipelineOptions {
  /** The model that decides. */
  readonly target: ModelOnDevice;
  /** The model that runs ahead, on the same device. */
  readonly draft: DraftOnDevice;
  /** Tokens to draft per block, 1 or more; near the end of a context fewer of them are judged. */
  readonly gamma: number;
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
}

function checkParts({ target, draft, gamma }: SpeculativeOnDeviceOptions): void {
  if (!(Number.isInteger(gamma) && gamma >= 1)) {
    throw new OutriderError("a gamma of 1 or more", `${gamma}`, "3 to 5 are usual");
  }
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
 * The host reads `gamma + 3` numbers per block. The law of the text is the target's to within the
 * rounding of f32, some 2^-23 per token; at temperature 0 the text is that of plain decoding, bit for
 * bit. Errors are those of `autoregressiveOnDevice`.
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
  options: SpeculativeOnDeviceOptions,
): Decoder<OnDeviceState<DraftedTextOnDevice>> {
  checkParts(options);
  const { target, draft, gamma, sampling, ahead = 0, now = machineClock } = options;
  const { device, config, parameters } = target;
  const law = lawOf(sampling, options.verify === "block" ? blockLaw : sampledLaw);
  const classes = classTables(draft.vocabulary);
  const draftContext = draft.config.contextLength;
  const [targets, drafts] = [sequencesOf(target), sequencesOf(draft)];
  const draftPasses = compileDraftPasses({ device, config: draft.config, law, classes });
  const judge = compileJudgePass({ device, config, law, classes, draftContext });
  // A step begins at one of so many places, by how much of those before it stands.
  const starts = 1 + ahead * gamma;
  return pipelined<DraftedTextOnDevice>({
    vocabulary: config.vocabulary,
    contextLength: config.contextLength,
    longest: gamma + 1,
    open: async (prompt) => {
      const seen = prompt.slice(0, -1);
      const opened = await targets.open(seen);
      const drafter = await drafts.open(classesOf(seen, draft.vocabulary)).catch((error) => {
        releaseTree(opened);
        throw error;
      });
      return releasingAll([opened, drafter], (hold) => ({
        target: opened,
        draft: drafter,
        place: uploadHolding(device, placeAfter(prompt), hold),
        sampling: uploadHolding(device, numbersOf(sampling), hold),
      }));
    },
    queue: (work, coins, { least, most }) =>
      releasingAll(work, (hold) => {
        const started = now();
        const table = upload(device, coinTable(coins, least, starts, gamma));
        hold(table);
        const drafter = drafts.withRoom(work.draft, most + gamma, hold);
        const { layers, drafted } = draftBlock(
          { passes: draftPasses, draft, gamma, hold },
          { ...work, draft: drafter },
          table,
        );
        const drafting = now();
        const grown = targets.withRoom(work.target, most + gamma, hold);
        const judged = drafted.map(({ drawn, evidence }) => ({ drawn, evidence }));
        const { place, sampling } = work;
        const passed = judge(parameters, grown.layers, place, judged, table, sampling);
        releaseTree([table, drafted, place]);
        const next = {
          target: { ...grown, layers: passed.cache },
          draft: { ...drafter, layers },
          place: passed.place,
          sampling,
        };
        return { work: next, result: passed.result, draftSeconds: drafting - started };
      }),
    outcome: (result) => {
      const [accepted, next, drafted, ...tokens] = result;
      return { tokens: [...tokens.slice(0, accepted), next], drafted };
    },
    release: releaseTree,
    close: ({ target, draft: drafter, place, sampling }, text) => {
      releaseTree([place, sampling]);
      targets.close(target, text.slice(0, -1));
      // The last token that a block drafts is read with the next block.
      drafts.close(drafter, classesOf(text.slice(0, -2), draft.vocabulary));
    },
  }, options);
}

/** The tokens that a draft reads: classes, where its vocabulary is trimmed. */
function classesOf(tokens: readonly number[], vocabulary: TrimmedVocabulary | undefined): number[] {
  return vocabulary ? tokens.map(vocabulary.classOf) : [...tokens];
}

/** What drafting a block takes besides the text. */
interface BlockDrafting {
  readonly passes: DraftPasses;
  readonly draft: DraftOnDevice;
  readonly gamma: number;
  /** Told what was made. */
  readonly hold: (made: unknown) => void;
}

/** Drafts the tokens of a block, one pass each. */
function draftBlock(
  { passes, draft, gamma, hold }: BlockDrafting,
  work: DraftedTextOnDevice,
  coins: DeviceArray,
): Pick<Sequence, "layers"> & { readonly drafted: readonly Drafted<DeviceArray>[] } {
  const { place, sampling } = work;
  const { parameters } = draft;
  let made = passes.first(parameters, work.draft.layers, place, coins, sampling);
  hold(made);
  const drafted = [made.drafted];
  for (let i = 1; i < gamma; i++) {
    const { drawn, count } = made.drafted;
    made = passes.next(parameters, made.cache, place.length, { drawn, count }, coins, sampling);
    hold(made);
    drafted.push(made.drafted);
  }
  return { layers: made.cache, drafted };
}
