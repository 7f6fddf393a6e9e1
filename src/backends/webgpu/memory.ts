/**
 * Allocations: numbers for pieces of GPU memory, each a buffer of its own.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { Allocation } from "../../runtime/backend.ts";
import type { BufferPool, PooledBuffer } from "./buffer_pool.ts";
import { writeWords } from "./buffer_ranges.ts";
import type { Gpu } from "./gpu.ts";
import type { Recorder } from "./recorder.ts";
import { createMerge, splitWrite } from "./word_merge.ts";

/** A buffer in use as an allocation. */
export interface Piece {
  readonly pooled: PooledBuffer;
  /** The bytes that were asked for. */
  readonly bytes: number;
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

/** The bytes, copied where other threads could change them: the queue refuses such memory. */
function hostBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = bytes;
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer, byteOffset, length);
  return new Uint8Array(bytes);
}

/** Makes the allocations of a pool. */
export function createMemory(gpu: Gpu, recorder: Recorder, pool: BufferPool): Memory {
  const merge = createMerge(gpu, recorder, pool);
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
      pieces.set(next, { pooled, bytes });
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
      const { pooled } = range(allocation, offset, bytes.length);
      if (bytes.length === 0) return;
      const { whole, parts } = splitWrite(bytes, offset);
      // The queue writes before it runs what is only submitted later.
      if (pooled.usedBy === recorder.current) recorder.submit();
      if (whole.bytes.length > 0) {
        writeWords(gpu.device, pooled, whole.offset, hostBytes(whole.bytes));
      }
      for (const part of parts) merge(pooled, part);
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
