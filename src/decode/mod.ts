/**
 * Decoding: warps, drafts, verification rules and decoders that emit the target's distribution
 * exactly, plain or speculative.
 *
 * @module
 */

export type { Key } from "../core/random.ts";
export * from "./automatic_length.ts";
export * from "./autoregressive.ts";
export * from "./coins.ts";
export * from "./ctc/mod.ts";
export * from "./decoder.ts";
export type { Draft, DraftRequest, Proposal } from "./draft.ts";
export {
  type BlockDraftOptions,
  type BlockDraftState,
  type BlockSequence,
} from "./block_marginals.ts";
export { blockDraft } from "./draft_block.ts";
export type { BlockWeights } from "../nn/block_drafter_parameters.ts";
export type { AutomaticLengthOptions } from "./draft_choices.ts";
export * from "./draft_first.ts";
export * from "./draft_length.ts";
export * from "./draft_model.ts";
export * from "./draft_none.ts";
export * from "./draft_prompt_lookup.ts";
export * from "./draft_through.ts";
export * from "./function_model.ts";
export {
  type BatchOptions,
  type BatchRequest,
  type BatchText,
  batchWriter,
  generateBatch,
} from "./generate_batch.ts";
export {
  isLogits,
  isProbs,
  type LanguageModel,
  type Logits,
  logitsOf,
  oneHot,
  type Pass,
  type Probs,
  probsOf,
  type TokenId,
} from "./language_model.ts";
export * from "./length_by_guess.ts";
export {
  type LlamaCache,
  llamaModel,
  type LlamaModelOptions,
  type LlamaSequence,
} from "./llama_model.ts";
export { CACHE_TYPES, type CacheType, type LlamaMemory } from "./llama_passes.ts";
export {
  type Costs,
  measureBlockCosts,
  type MeasureBlockOptions,
  measureCosts,
  type MeasureOptions,
} from "./measure_costs.ts";
export * from "./multi_draft/mod.ts";
export * from "./nucleus.ts";
export * from "./on_device/mod.ts";
export * from "./on_worker/mod.ts";
export * from "./pearl/mod.ts";
export { type PassCache, rememberPass } from "./remember_pass.ts";
export { type PrefixCache, type RememberingModel, rememberPrefix } from "./remember_prefix.ts";
export { sample } from "./sample.ts";
export * from "./speculative.ts";
export type { StepTimes } from "./step_times.ts";
export * from "./stream.ts";
export * from "./text_pieces.ts";
export type { Clock, TextState } from "./text_state.ts";
export * from "./top_tokens.ts";
export * from "./tree/mod.ts";

export { type Ending, limit, untilToken } from "./until.ts";
export * from "./until_text.ts";
export * from "./use_once.ts";
export * from "./verify.ts";
export * from "./verify_block.ts";
export * from "./verify_token.ts";
export * from "./warp.ts";
export * from "./warp_truncate.ts";
