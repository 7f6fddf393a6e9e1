/**
 * The WebAssembly backend.
 *
 * @module
 */
export { type WasmBackend, wasmBackend, type WasmOptions } from "./backend.ts";
export type { MemoryKind } from "./memory.ts";
export { measureThreads, type MeasureThreadsOptions } from "./measure_threads.ts";
