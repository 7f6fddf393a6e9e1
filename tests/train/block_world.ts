/** A tiny target with opinions, its answers, distributions and features, and a block drafter for it. */
import { foldIn, keyOf } from "../../src/core/random.ts";
import { corpusOf, type DistillationEntry, responseDocument } from "../../src/data/mod.ts";
import type { Corpus } from "../../src/data/mod.ts";
import {
  type BlockDrafterConfig,
  type BlockDrafterParameters,
  initBlockDrafter,
  type LlamaParameters,
  tinyBlockDrafter,
  trimmedVocabulary,
} from "../../src/nn/mod.ts";
import { type DenseHostTensor, hostTensor } from "../../src/core/mod.ts";
import { type Device, type DeviceArray, read } from "../../src/runtime/mod.ts";
import { distilledEntries, setFeatures, type SharedWithTarget } from "../../src/train/mod.ts";
import { promptsOf, STOP, TARGET, uploadTarget } from "./world.ts";

/** The tokens that are drafted: all but two. */
export const DRAFTED = trimmedVocabulary(
  Array.from({ length: 14 }, (_, i) => i < 5 ? i : i + 2),
  TARGET.vocabulary,
);
/** Sizes of the drafter. */
export const BLOCK_DRAFT: BlockDrafterConfig = tinyBlockDrafter({
  width: TARGET.width,
  taps: [1, 2],
  heads: 2,
  headWidth: 8,
  keyValueHeads: 1,
  block: 3,
  contextLength: TARGET.contextLength,
});
/** Tokens that the distributions keep. */
export const KEPT = 6;

/** First weights of the drafter. */
export function firstBlockDraft(
  config: BlockDrafterConfig = BLOCK_DRAFT,
): BlockDrafterParameters<DenseHostTensor> {
  return initBlockDrafter(
    foldIn(keyOf(5), "drafter"),
    config,
    new Float32Array(config.width).fill(2),
  );
}

/** The target's answers with all that a block drafter learns from. */
export async function featureCorpus(
  device: Device,
  parameters: LlamaParameters<DeviceArray>,
  count = 24,
): Promise<{ readonly corpus: Corpus; readonly entries: readonly DistillationEntry[] }> {
  const taught = await Array.fromAsync(distilledEntries({
    device,
    target: { config: TARGET, parameters },
    prompts: promptsOf(count),
    done: 0,
    temperatures: [0, 1],
    topP: 1,
    maximumTokens: 14,
    stopTokens: new Set([STOP]),
    seed: 3,
    sequences: 4,
    teacherTokens: KEPT,
  }));
  const entries = taught.map(({ entry }) => entry);
  const features = await Array.fromAsync(setFeatures(entries, {
    device,
    target: { config: TARGET, parameters },
    taps: BLOCK_DRAFT.taps,
    mostRows: TARGET.contextLength,
    rowsPerPass: 40,
  }));
  const width = BLOCK_DRAFT.features;
  const documents = taught.map(({ entry, teacher }, i) => ({
    ...responseDocument(entry.prompt, entry.response),
    teacher: () => teacher,
    features: (from: number, rows: number) =>
      Array.from(
        { length: rows },
        (_, row) => features[i].subarray((from + row) * width, (from + row + 1) * width),
      ),
  }));
  return { corpus: corpusOf(documents), entries };
}

/** What the drafter shares with the target, on the host. */
export async function sharedOf(
  parameters: Pick<LlamaParameters<DeviceArray>, "embedding">,
): Promise<SharedWithTarget<DenseHostTensor>> {
  const embedding = await read(parameters.embedding);
  const { width } = TARGET;
  const kept = Float32Array.from(
    [...DRAFTED.tokenIds].flatMap((id) => [...embedding.subarray(id * width, (id + 1) * width)]),
  );
  return {
    embedding: hostTensor(Float32Array.from(embedding), [TARGET.vocabulary, width]),
    kept: hostTensor(kept, [DRAFTED.tokenIds.length, width]),
  };
}

export { TARGET, uploadTarget };
