/** A backend whose memory runs out when a test says so. */
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import type { Backend } from "../../src/runtime/mod.ts";

/** A backend that refuses an allocation. */
export interface FailingBackend extends Backend {
  /** After so many more allocations the next one fails, once. */
  failAfter(allocations: number): void;
}

/** The wasm backend with memory that can run out. */
export function failingBackend(): FailingBackend {
  const backend = wasmBackend();
  let left = Infinity;
  return {
    ...backend,
    failAfter: (allocations) => {
      left = allocations;
    },
    allocate: (bytes) => {
      if (left-- === 0) {
        left = Infinity;
        throw new OutriderError("free memory", "none", "use a smaller model");
      }
      return backend.allocate(bytes);
    },
  };
}
