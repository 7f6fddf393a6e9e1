/**
 * What the commands share that train drafters on a target's features: what is opened for a run, and the
 * files that it writes.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import type { CommandContext } from "@outrider/outrider/cli";
import { type Corpus, type FeatureLayout, featuresAt } from "@outrider/outrider/data";
import {
  type ModelFile,
  openDraftFor,
  openModel,
  type PlacesKind,
  writeBlockDraftFile,
} from "@outrider/outrider/io";
import type {
  BlockDrafterConfig,
  BlockDrafterParameters,
  TrimmedVocabulary,
} from "@outrider/outrider/nn";
import type { DenseHostTensor } from "@outrider/outrider/core";
import { type Device, type DeviceArray, releaseTree, uploadTree } from "@outrider/outrider/runtime";
import {
  readSharedWeights,
  type SharedWithTarget,
  type StageResult,
  weightReader,
} from "@outrider/outrider/train";
import { openDevice } from "./device.ts";
import { findModel } from "./models.ts";
import { makeFolder } from "./recipe.ts";
import { openFeatureSets } from "./sets.ts";
import { trimmedFor } from "./trim.ts";

/** What the flags say of the sets and the vocabulary. */
interface SetOptions {
  readonly target: string;
  readonly set: string;
  readonly validation: string | undefined;
  readonly draftVocabulary: string | undefined;
  readonly keepTokens: number;
  readonly out: string;
}

/** What the flags say of a drafter. */
interface SizeOptions {
  readonly layers: number;
  readonly contextWidth: number;
  readonly feedForward: number;
  readonly heads: number;
  readonly keyValueHeads: number;
}

/** All that a run needs. */
export interface FeatureRun {
  readonly device: Device;
  /** Answers with features at the drafter's taps. */
  readonly set: Corpus;
  /** The same held out, where there are any. */
  readonly heldOut: Corpus | undefined;
  /** Response tokens of the sets. */
  readonly tokens: number;
  /** Tokens of the target's distributions that all sets keep; 0 where some keep none. */
  readonly cachedTokens: number;
  /** What the run is known again by. */
  readonly data: string;
  readonly config: BlockDrafterConfig;
  readonly vocabulary: TrimmedVocabulary;
  /** What the drafter shares with the target, on the device. */
  readonly shared: SharedWithTarget<DeviceArray>;
  /** The gains of the target's last norm. */
  readonly finalNorm: Float32Array;
  /** Writes a drafter to `FILE.safetensors` in the folder of the run, and gives its path. */
  readonly write: (
    kind: PlacesKind,
    trained: BlockDrafterParameters<DenseHostTensor>,
    names: { readonly name: string; readonly file: string },
  ) => Promise<string>;
  readonly close: () => void;
}

/** Attention is to tell near from far in texts of some hundred tokens. */
const ROPE_BASE = 10_000;

function configOf(
  { config }: ModelFile,
  layout: FeatureLayout,
  sizes: SizeOptions,
  { taps, places }: { readonly taps: readonly number[]; readonly places: number },
): BlockDrafterConfig {
  const { width, headWidth, contextLength, rmsNormEpsilon } = config;
  if (layout.width !== layout.taps.length * width) {
    throw new OutriderError(
      `features of ${layout.taps.length * width} numbers at ${layout.taps.length} taps`,
      `${layout.width}`,
      "write the features with this target",
    );
  }
  if (sizes.heads % sizes.keyValueHeads !== 0) {
    throw new OutriderError(
      "--key-value-heads that divide --heads",
      `${sizes.keyValueHeads} and ${sizes.heads}`,
      "change one of them",
    );
  }
  return {
    width,
    taps,
    features: taps.length * width,
    contextWidth: sizes.contextWidth,
    layers: sizes.layers,
    heads: sizes.heads,
    keyValueHeads: sizes.keyValueHeads,
    headWidth,
    feedForwardWidth: sizes.feedForward,
    block: places,
    contextLength,
    ropeBase: ROPE_BASE,
    rmsNormEpsilon,
  };
}

/** The tokens that are drafted: those of a draft, or those that the sets have most. */
async function vocabularyOf(
  target: ModelFile,
  corpus: Corpus,
  { draftVocabulary, keepTokens, set, out }: SetOptions,
  context: CommandContext,
): Promise<TrimmedVocabulary> {
  if ((draftVocabulary === undefined) === (keepTokens === 0)) {
    const found = keepTokens === 0 ? "neither" : "both";
    throw new OutriderError("--draft-vocabulary or --keep-tokens", found, "name one of them");
  }
  if (draftVocabulary === undefined) {
    const counted = await trimmedFor(target, corpus, { keepTokens, countIn: set, out }, context);
    if (counted !== undefined) return counted;
  }
  const draft = await openDraftFor(
    target,
    draftVocabulary ?? "",
    (name) => findModel(name, context.progress),
  );
  draft.close();
  if (draft.vocabulary !== undefined) return draft.vocabulary;
  throw new OutriderError(
    "a draft with a vocabulary of its own as --draft-vocabulary",
    `${draftVocabulary}, which knows all tokens`,
    "name another draft, or choose --keep-tokens",
  );
}

/**
 * Opens what a run needs.
 *
 * @param options.taps which of the sets' taps the drafter reads
 * @param options.places how many places it drafts
 * @throws OutriderError where sets, target or sizes do not fit one another
 */
export async function openFeatureRun(
  options: SetOptions & SizeOptions & Parameters<typeof openDevice>[0] & {
    readonly taps: (layout: FeatureLayout) => readonly number[];
    readonly places: number;
  },
  context: CommandContext,
): Promise<FeatureRun> {
  const { device } = await openDevice(options);
  await makeFolder(options.out);
  const target = await openModel(await findModel(options.target, context.progress));
  const { tokenizer } = target;
  const sets = await openFeatureSets(options.set, tokenizer);
  const heldOut = options.validation === undefined
    ? undefined
    : await openFeatureSets(options.validation, tokenizer);
  const { layout, tokens, data } = sets;
  const taps = options.taps(layout);
  const config = configOf(target, layout, options, { taps, places: options.places });
  context.log(sets.note);
  const vocabulary = await vocabularyOf(target, sets.corpus, options, context);
  const { shared, finalNorm } = await readSharedWeights(target, vocabulary);
  const onDevice = uploadTree(device, shared);
  return {
    ...{ device, tokens, config, vocabulary, finalNorm },
    set: featuresAt(sets.corpus, layout, taps),
    heldOut: heldOut && featuresAt(heldOut.corpus, heldOut.layout, taps),
    cachedTokens: Math.min(sets.cachedTokens, heldOut?.cachedTokens ?? Infinity),
    data: `${options.target}, ${data}`,
    shared: onDevice,
    write: async (kind, trained, { name, file }) => {
      const path = `${options.out}/${file}.safetensors`;
      const readWeight = weightReader(trained);
      const tokenizerHash = tokenizer.hash;
      const content = { kind, name, config, readWeight, tokenizerHash, vocabulary };
      await writeBlockDraftFile(path, { ...content, format: "F16" });
      return path;
    },
    close: () => {
      releaseTree(onDevice);
      [sets, heldOut].forEach((opened) => opened?.close());
      target.close();
      device.close();
    },
  };
}

/**
 * Checks that the sets of a run keep the target's distributions.
 *
 * @throws OutriderError where one does not
 */
export function needDistributions(
  { cachedTokens }: Pick<FeatureRun, "cachedTokens">,
  cure = "write it with --teacher-tokens, or teach it",
): void {
  if (cachedTokens > 0) return;
  throw new OutriderError("sets with the target's distributions", "one without", cure);
}

/** How a run ended. */
interface EndedRun extends Pick<StageResult, "step" | "best"> {
  /** The path of its last drafter. */
  readonly draft: string;
  /** The path of its best one, if any was scored. */
  readonly bestDraft: string;
}

/** Says where the drafters of a run are. */
export function printDrafts(
  { print }: Pick<CommandContext, "print">,
  { draft, bestDraft, step, best }: EndedRun,
  steps: number,
): void {
  print(`${draft} after ${step} of ${steps} steps\n`);
  if (best === undefined) return;
  print(`${bestDraft} of step ${best.step}, alpha ${best.score.toFixed(3)} on --validation\n`);
}
