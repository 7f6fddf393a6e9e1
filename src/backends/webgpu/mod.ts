/**
 * The WebGPU backend.
 *
 * @module
 */
export { type FoundAdapter, webgpuAdapter } from "./adapter.ts";
export { type WebgpuBackend, webgpuBackend, type WebgpuOptions } from "./backend.ts";
