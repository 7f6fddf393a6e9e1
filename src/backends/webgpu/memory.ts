/**
 * Allocations: numbers for pieces of GPU memory, each a buffer of its own.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { Allocation } from "../../runtime/backend.ts";
import type { BufferPool, PooledBuffer } from "./buffer_pool.ts";
import type { Gpu } from "./gpu.ts";
import type { Recorder } from "./recorder.ts";
import { paddedWrite, type WordEdges } from "./word_edges.ts";

/** A buffer in use as an allocation. */
export interface Piece {
  readonly pooled: PooledBuffer;
  /** The bytes that were asked for. */
  readonly bytes: number;
  /** Words that were written in part. */
  readonly edges: WordEdges;
}

/** The allocations of a backend. */
export interface Memory {
  /** Reserves memory. */
  allocate(bytes: number): Allocation;
  /** Gives it back. */
  release(allocation: Allocation): void;
  /** Copies host bytes into an allocation. */
  write(allocation: Allocation, bytes: Uint8Array, offset: number): void;
  /** The buffer of an allocation. */
  piece(allocation: Allocation): Piece;
  /** The same, for a range that must lie within it. */
  range(allocation: Allocation, offset: number, length: number): Piece;
  /** Allocations in use. */
  readonly liveAllocations: number;
  /** Bytes of their buffers. */
  readonly liveBytes: number;
}

/** Makes the allocations of a pool. */
export function createMemory({ device }: Gpu, recorder: Recorder, pool: BufferPool): Memory {
  const pieces = new Map<Allocation, Piece>();
  let next: Allocation = 1;
  let liveBytes = 0;
  const piece = (allocation: Allocation): Piece => {
    const found = pieces.get(allocation);
    if (found !== undefined) return found;
    throw new OutriderError("an allocation in use", `${allocation}`, "release each one once");
  };
  const range = (allocation: Allocation, offset: number, length: number): Piece => {
    const found = piece(allocation);
    if (offset >= 0 && length >= 0 && offset + length <= found.bytes) return found;
    const bytes = `bytes ${offset} to ${offset + length}`;
    throw new OutriderError(`a part of ${found.bytes} bytes`, bytes, "check the array's length");
  };
  return {
    allocate(bytes) {
      const pooled = pool.take(bytes);
      pieces.set(next, { pooled, bytes, edges: new Map() });
      liveBytes += pooled.bytes;
      return next++;
    },
    release(allocation) {
      const { pooled } = piece(allocation);
      pieces.delete(allocation);
      liveBytes -= pooled.bytes;
      pool.give(pooled);
    },
    write(allocation, bytes, offset) {
      const { pooled, edges } = range(allocation, offset, bytes.length);
      if (bytes.length === 0) return;
      // The queue writes before it runs what is only submitted later.
      if (pooled.usedBy === recorder.current) recorder.submit();
      const words = paddedWrite(edges, bytes, offset);
      device.queue.writeBuffer(pooled.buffer, words.offset, words.bytes);
    },
    piece,
    range,
    get liveAllocations() {
      return pieces.size;
    },
    get liveBytes() {
      return liveBytes;
    },
  };
}
