/**
 * The linear memory of the backend and its host side views.
 *
 * @module
 */
import { MAXIMUM_PAGES, MINIMUM_PAGES } from "../../../kernels/wasm/assembler_module.ts";
import { type Allocator, createAllocator } from "./allocator.ts";

/** Whether several threads may use the memory. */
export type MemoryKind = "shared" | "unshared";

/** The memory with its allocator. */
export interface LinearMemory {
  readonly kind: MemoryKind;
  readonly memory: WebAssembly.Memory;
  readonly allocator: Allocator;
  /** A view of a range; it is valid until the next allocation. */
  bytes(address: number, length: number): Uint8Array;
  /** A view of 32-bit words, valid until the next allocation. */
  words(address: number, length: number): Uint32Array;
}

const PAGE_BYTES = 65536;
/** Smallest growth, so that small allocations do not grow the memory one by one. */
const GROWTH_PAGES = 256;

/** The kind of memory that the engine offers. */
export function availableMemory(): MemoryKind {
  return typeof SharedArrayBuffer === "undefined" ? "unshared" : "shared";
}

/** Creates a memory of up to 4 GiB. */
export function createMemory(kind: MemoryKind): LinearMemory {
  const memory = new WebAssembly.Memory({
    initial: MINIMUM_PAGES,
    maximum: MAXIMUM_PAGES,
    shared: kind === "shared",
  });
  const grow = (pages: number): boolean => {
    try {
      memory.grow(pages);
      return true;
    } catch {
      return false;
    }
  };
  const reach = (bytes: number): boolean => {
    const present = memory.buffer.byteLength / PAGE_BYTES;
    const missing = Math.ceil(bytes / PAGE_BYTES) - present;
    if (missing <= 0) return true;
    const generous = Math.min(Math.max(missing, GROWTH_PAGES), MAXIMUM_PAGES - present);
    return generous >= missing && (grow(generous) || grow(missing));
  };
  // The last page stays unused, so that no address or end of a range wraps around to 0.
  const allocator = createAllocator((MAXIMUM_PAGES - 1) * PAGE_BYTES, reach);
  return {
    kind,
    memory,
    allocator,
    bytes: (address, length) => new Uint8Array(memory.buffer, address, length),
    words: (address, length) => new Uint32Array(memory.buffer, address, length),
  };
}
