/** A tiny target that keeps features, and a CTC drafter with first weights. */
import { concat, hostTensor, type Tensor } from "../../../src/core/mod.ts";
import { foldIn, keyOf, normals } from "../../../src/core/random.ts";
import {
  type BlockDraftOptions,
  type BlockDraftState,
  draftCtc,
  type LlamaCache,
  type TreeDraft,
} from "../../../src/decode/mod.ts";
import { compile, upload } from "../../../src/runtime/mod.ts";
import { type BlockWorld, CONFIG, VOCABULARY, world } from "../block_world.ts";

/** What a CTC drafter and its target are made of. */
export interface CtcWorld extends BlockWorld {
  readonly options: BlockDraftOptions;
  readonly ctc: TreeDraft<BlockDraftState, LlamaCache>;
}

/** The world of block drafters, and the same drafter with a blank as one whose places align. */
export function ctcWorld(kept: "features" | "nothing" = "features"): CtcWorld {
  const opened = world(kept);
  const { device, weights } = opened;
  const values = normals(foldIn(keyOf(5), "blank"), CONFIG.width).map((x) => x / 8);
  const blank = upload(device, hostTensor(Float32Array.from(values), [1, CONFIG.width]));
  const head = compile(device, (a: Tensor, b: Tensor) => concat([a, b], 0))(weights.head, blank);
  const options = { device, config: CONFIG, weights: { ...weights, head }, vocabulary: VOCABULARY };
  return { ...opened, options, ctc: draftCtc(options) };
}
