/**
 * The WebGPU backend: kernels in WGSL on whatever adapter `navigator.gpu` gives.
 *
 * Runs are recorded and submitted together when something is read. What WebGPU reports late (a lost
 * device, memory that ran out, a shader that an adapter refuses) is one OutriderError at the next
 * call or read, and at all later ones; releasing and closing still work then.
 *
 * An array may be larger than what the adapter binds at once (128 MiB or more): products with such a
 * matrix become one for each range of its columns, all else reads and writes it in pieces, backward
 * passes too, with the same bits. A piece counts as one of the adapter's bindings; a kernel that would
 * need more of them is refused when it is prepared.
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
