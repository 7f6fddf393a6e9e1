/**
 * The WebAssembly backend.
 *
 * @module
 */
export { type WasmBackend, wasmBackend, type WasmOptions } from "./backend.ts";
export type { MemoryKind } from "./memory.ts";
