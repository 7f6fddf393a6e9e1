/**
 * The arena of temporaries: one range that all plans of a backend share, as large as the largest
 * needs. A plan uses it only while it runs.
 *
 * @module
 */
import { ALIGNMENT, type Allocator } from "./allocator.ts";

/** A range that grows to the largest size asked for. */
export interface Arena {
  /** Makes sure of `bytes` bytes; the arena may move. */
  reserve(bytes: number): void;
  /** Where it is now. */
  readonly address: number;
}

/** An arena out of an allocator. */
export function createArena(allocator: Allocator): Arena {
  let address = 0;
  let size = 0;
  return {
    reserve(bytes) {
      if (bytes <= size) return;
      if (size > 0) allocator.release(address);
      size = 0;
      address = allocator.allocate(bytes);
      size = bytes;
    },
    get address() {
      return address;
    },
  };
}

/** Offsets of slots laid out one after the other, and the end of the last. */
export function layOut(sizes: readonly number[]): { offsets: number[]; bytes: number } {
  let bytes = 0;
  const offsets = sizes.map((size) => {
    const offset = bytes;
    bytes += Math.ceil(size / ALIGNMENT) * ALIGNMENT;
    return offset;
  });
  return { offsets, bytes };
}
