/**
 * The WebAssembly backend.
 *
 * @module
 */
export type { Vectors } from "../../../kernels/wasm/mod.ts";
export { type WasmBackend, wasmBackend, type WasmOptions } from "./backend.ts";
export { engineVectors, JOINED_VECTORS } from "./engine_vectors.ts";
export type { MemoryKind } from "./memory.ts";
export { measureThreads, type MeasureThreadsOptions } from "./measure_threads.ts";
