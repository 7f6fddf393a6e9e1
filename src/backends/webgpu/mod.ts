/**
 * The WebGPU backend: kernels in WGSL on whatever adapter `navigator.gpu` gives.
 *
 * Runs are recorded and submitted together when something is read. What WebGPU reports late (a lost
 * device, memory that ran out, a shader that an adapter refuses) is one OutriderError at the next
 * call or read, and at all later ones; releasing and closing still work then.
 *
 * A program goes on after a loss from the last committed token, because tokens are on the host: close
 * the backend, open a new one, load the models again, and prefill the prompt with the tokens
 * committed so far. By P8 the logits, and so greedy texts, are those that would have come. Training
 * goes on from its last checkpoint.
 *
 * @module
 */
export { type FoundAdapter, type UsableAdapter, webgpuAdapter } from "./adapter.ts";
export { type WebgpuBackend, webgpuBackend, type WebgpuOptions } from "./backend.ts";
export type { ReadbackRoute } from "./readback.ts";
