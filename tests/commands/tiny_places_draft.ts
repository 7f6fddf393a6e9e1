/** Drafters of several places for a tiny target, with random weights: commands need no more. */
import { keyOf } from "../../src/core/random.ts";
import { openModel, type PlacesKind, writeBlockDraftFile } from "../../src/io/mod.ts";
import {
  type BlockDrafterConfig,
  initBlockDrafter,
  initCtcDrafter,
  tinyBlockDrafter,
  trimmedVocabulary,
} from "../../src/nn/mod.ts";
import { weightReader } from "../../src/train/mod.ts";

/** A drafter of three places at once for the tiny target. */
export const TINY_PLACES: BlockDrafterConfig = tinyBlockDrafter({
  width: 32,
  heads: 2,
  taps: [1, 2],
  block: 3,
});

const INIT = { block: initBlockDrafter, ctc: initCtcDrafter } as const;

/** Writes a drafter with random weights that drafts two thirds of the target's tokens. */
export async function writePlacesDraft(
  path: string,
  target: string,
  { kind = "block", config = TINY_PLACES }: {
    readonly kind?: PlacesKind;
    readonly config?: BlockDrafterConfig;
  } = {},
): Promise<void> {
  const { tokenizer, config: { vocabulary: tokens }, close } = await openModel(target);
  close();
  const kept = Array.from({ length: tokens }, (_, token) => token).filter((token) => token % 3 > 0);
  const finalNorm = new Float32Array(config.width).fill(6);
  await writeBlockDraftFile(path, {
    kind,
    name: `tiny ${kind} drafter`,
    config,
    readWeight: weightReader(INIT[kind](keyOf(3), config, finalNorm)),
    tokenizerHash: tokenizer.hash,
    vocabulary: trimmedVocabulary(kept, tokens),
    format: "Q8_0",
  });
}
