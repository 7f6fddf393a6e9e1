/**
 * Outrider trains small draft models aligned to a chat model and decodes with them, losslessly.
 *
 * This entry carries what most programs start from: open a chat model, put it on a device, decode
 * with a draft. The rest is in the entries of the modules: `core` (tensors and gradients), `plan`,
 * `runtime`, `nn`, `optim`, `losses`, `decode`, `train`, `evaluate`, `data`, `io` and `cli`. A program
 * chooses its backend itself, from `backends/wasm` or `backends/reference`.
 *
 * @example
 * ```ts
 * import * as outrider from "@outrider/outrider";
 * import { assertEquals } from "@std/assert";
 *
 * // A function as target; `llamaModel` makes one of a model file.
 * const target = outrider.functionModel({
 *   vocabulary: 3,
 *   contextLength: 32,
 *   logits: (prefix) => [0, 1, 2].map((id) => id === prefix.length % 3 ? 9 : 0),
 * });
 * const decoder = outrider.speculative({
 *   target,
 *   draft: outrider.draftPromptLookup(),
 *   verify: outrider.verifyBlock,
 *   warp: outrider.temperature(0),
 *   gamma: 4,
 * });
 * const prompt = [0, 1, 2, 0, 1, 2];
 * const key = outrider.keyOf(1);
 * const { tokens } = await outrider.generate(outrider.limit(decoder, 5), prompt, { key });
 * assertEquals(tokens, [0, 1, 2, 0, 1]);
 * ```
 *
 * @module
 */
export * from "./src/core/errors.ts";
export * from "./src/core/random.ts";
export { grad, valueAndGrad } from "./src/core/grad.ts";
export { hostTensor } from "./src/core/host_tensor.ts";
export type { Tensor } from "./src/core/tensor.ts";

export { compile } from "./src/runtime/compile.ts";
export { createDevice, type Device, read, releaseTree, upload } from "./src/runtime/device.ts";
export { uploadsTo } from "./src/runtime/uploads.ts";
export type { DeviceArray } from "./src/runtime/device_array.ts";

export { type ChatMessage, encodeChat } from "./src/io/chat_template.ts";
export { loadLlama, type WeightType } from "./src/io/load_llama.ts";
export type { ModelFile } from "./src/io/model_file.ts";
export { openModel } from "./src/io/open_model.ts";
export { resolveModel } from "./src/io/resolve_model.ts";
export type { Tokenizer } from "./src/io/tokenizer.ts";

export { automaticLength } from "./src/decode/automatic_length.ts";
export { autoregressive } from "./src/decode/autoregressive.ts";
export type { Decoder } from "./src/decode/decoder.ts";
export type { Draft } from "./src/decode/draft.ts";
export { fixedLength } from "./src/decode/draft_length.ts";
export { draftModel } from "./src/decode/draft_model.ts";
export { draftPromptLookup } from "./src/decode/draft_prompt_lookup.ts";
export { functionModel } from "./src/decode/function_model.ts";
export type { LanguageModel } from "./src/decode/language_model.ts";
export { llamaModel } from "./src/decode/llama_model.ts";
export { measureCosts } from "./src/decode/measure_costs.ts";
export { rememberPrefix } from "./src/decode/remember_prefix.ts";
export { speculative } from "./src/decode/speculative.ts";
export { generate, stream, streamText } from "./src/decode/stream.ts";
export { limit, untilToken } from "./src/decode/until.ts";
export { untilText } from "./src/decode/until_text.ts";
export { verifyBlock } from "./src/decode/verify_block.ts";
export { verifyToken } from "./src/decode/verify_token.ts";
export { chainWarps, repetitionPenalty, temperature, type Warp } from "./src/decode/warp.ts";
export { minP, topK, topP } from "./src/decode/warp_truncate.ts";
export { metricsOf } from "./src/evaluate/metrics.ts";
