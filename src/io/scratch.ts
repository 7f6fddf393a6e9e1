/**
 * Scratch memory that is used again and again while a model is read.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";

/** Pieces of scratch memory by what they are for; a piece's content lasts until its next use. */
export interface Scratch {
  /** At least so many bytes for a use, at an address that any element may have. */
  bytes(use: "file" | "blocks" | "packed" | "values", length: number): Bytes;
}

/** Scratch memory; every piece grows to the largest length that was asked for. */
export function createScratch(): Scratch {
  const pieces = new Map<string, Bytes>();
  return {
    bytes: (use, length) => {
      const known = pieces.get(use);
      if (known !== undefined && known.length >= length) return known;
      const made = new Uint8Array(length);
      pieces.set(use, made);
      return made;
    },
  };
}
