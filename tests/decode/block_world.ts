/** A tiny target that keeps features, and drafters of blocks and trees with first weights. */
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { hostTensor, type Tensor } from "../../src/core/mod.ts";
import { foldIn, keyOf } from "../../src/core/random.ts";
import {
  blockDraft,
  type BlockDraftState,
  type BlockWeights,
  type Draft,
  draftBlockSamples,
  draftBlockTree,
  type LlamaCache,
  llamaModel,
  type TreeDraft,
  type TreeLanguageModel,
} from "../../src/decode/mod.ts";
import {
  type BlockDrafterConfig,
  blockHead,
  initBlockDrafter,
  initLlama,
  type LlamaParameters,
  tinyBlockDrafter,
  type TrimmedVocabulary,
  trimmedVocabulary,
} from "../../src/nn/mod.ts";
import {
  compile,
  createDevice,
  type Device,
  type DeviceArray,
  uploadTree,
} from "../../src/runtime/mod.ts";
import { TINY } from "./tiny_llama.ts";

/** Sizes of the drafter. */
export const CONFIG: BlockDrafterConfig = tinyBlockDrafter({
  width: TINY.width,
  taps: [1, 2],
  heads: 4,
  headWidth: 8,
  keyValueHeads: 2,
  layers: 2,
  contextLength: TINY.contextLength,
});
/** The tokens that are drafted: all but a few. */
export const VOCABULARY: TrimmedVocabulary = trimmedVocabulary(
  Array.from({ length: 36 }, (_, i) => i < 20 ? i : i + 2),
  TINY.vocabulary,
);

/** What a block drafter and its target are made of. */
export interface BlockWorld {
  readonly device: Device;
  readonly parameters: LlamaParameters<DeviceArray>;
  readonly weights: BlockWeights<DeviceArray>;
  readonly target: TreeLanguageModel<LlamaCache>;
  readonly draft: Draft<BlockDraftState, LlamaCache>;
  readonly treeDraft: TreeDraft<BlockDraftState, LlamaCache>;
  /** Drafts trees of so many nodes whose last children are drawn. */
  readonly samplesDraft: (budget: number) => ReturnType<typeof draftBlockSamples>;
}

/** Opens a target with or without features, and a drafter with first weights. */
export function world(kept: "features" | "nothing" = "features"): BlockWorld {
  const taps = kept === "features" ? CONFIG.taps : undefined;
  const device = createDevice(wasmBackend());
  const host = initLlama(keyOf(4), TINY);
  const parameters = uploadTree(device, host);
  const rows = hostTensor(
    Float32Array.from(
      [...VOCABULARY.tokenIds].flatMap((id) => [
        ...host.embedding.data.subarray(id * TINY.width, (id + 1) * TINY.width),
      ]),
    ),
    [VOCABULARY.tokenIds.length, TINY.width],
  );
  const trained = initBlockDrafter(
    foldIn(keyOf(5), "drafter"),
    CONFIG,
    new Float32Array(TINY.width).fill(8),
  );
  const drafter = uploadTree(device, trained);
  const headOf = compile(
    device,
    (p: BlockWeights<Tensor>["drafter"], k: Tensor) => blockHead(p, k),
  );
  const head = headOf(drafter, uploadTree(device, rows));
  const weights = { drafter, embedding: parameters.embedding, head };
  const target = llamaModel({ device, config: TINY, parameters, firstSlots: 8, taps });
  const options = { device, config: CONFIG, weights, vocabulary: VOCABULARY };
  return {
    device,
    parameters,
    weights,
    target,
    draft: blockDraft(options),
    treeDraft: draftBlockTree(options),
    samplesDraft: (budget) => draftBlockSamples({ ...options, budget }),
  };
}
