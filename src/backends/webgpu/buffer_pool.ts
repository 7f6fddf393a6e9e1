/**
 * A pool of GPU buffers: size classes with a list of free ones each.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { BufferList } from "./buffer_ranges.ts";
import type { Gpu } from "./gpu.ts";
import { MOST_BYTES } from "./limits.ts";
import type { Recorder } from "./recorder.ts";

/** A buffer and what must be known of it; several, where one could not be so large. */
export interface PooledBuffer extends BufferList {
  /** Tells it from all others of its pool. */
  readonly id: number;
  /** Its size, that of its class. */
  readonly bytes: number;
  /** The last submission whose commands may use it; -1 where none does. */
  usedBy: number;
}

/** Hands out buffers of one usage. */
export interface BufferPool {
  /**
   * A buffer of at least so many bytes; what is in it is anything.
   *
   * @throws OutriderError where shaders could not count so many
   */
  take(bytes: number): PooledBuffer;
  /** The bytes of the buffer that would be taken. */
  sizeOf(bytes: number): number;
  /** Takes a buffer back. */
  give(buffer: PooledBuffer): void;
}

/** What a pool is told besides its device. */
export interface PoolOptions {
  readonly usage: GPUBufferUsageFlags;
  /** The class of a request. */
  readonly sizeClass: (bytes: number) => number;
}

const LEAST_BYTES = 256;

/** The size class of a request for arrays: at most a quarter larger than what was asked for. */
export function sizeClass(bytes: number): number {
  const least = Math.max(bytes, LEAST_BYTES);
  const step = Math.max(LEAST_BYTES, 2 ** (Math.floor(Math.log2(least)) - 2));
  return Math.ceil(least / step) * step;
}

/**
 * Small buffers that waiting commands use are not handed out again: to write them the commands would
 * have to be submitted first.
 */
const SMALL_BYTES = 64 * 1024;

/** Free bytes that are kept; beyond them buffers are destroyed. */
const MOST_FREE_BYTES = 256 * 1024 * 1024;

/** Buffers that are at least so large are watched for memory that runs out. */
const WATCHED_BYTES = 1024 * 1024;

const ROOM_CURE = "use a smaller model, context or batch, or a packed weight type";

/** Makes a pool. */
export function createBufferPool(
  { device, faults, limits: { bufferBytes } }: Gpu,
  recorder: Recorder,
  { usage, sizeClass }: PoolOptions,
): BufferPool {
  const free = new Map<number, PooledBuffer[]>();
  let [freeBytes, made] = [0, 0];
  const sizeOf = (bytes: number): number => {
    const whole = Math.floor(bytes / bufferBytes) * bufferBytes;
    return whole > 0 && whole === bytes
      ? whole
      : whole + Math.min(sizeClass(bytes - whole), bufferBytes);
  };
  const create = (size: number): GPUBuffer => {
    const call = (): GPUBuffer => device.createBuffer({ size, usage });
    try {
      return size < WATCHED_BYTES ? call() : faults.watch("out-of-memory", "room on the GPU", call);
    } catch (error) {
      const found = error instanceof Error ? error.message : String(error);
      throw new OutriderError(`${size} free bytes on the GPU`, found, ROOM_CURE);
    }
  };
  const reusable = (size: number): PooledBuffer | undefined => {
    const list = free.get(size);
    const oldest = list?.[0];
    if (oldest === undefined) return undefined;
    if (size <= SMALL_BYTES && oldest.usedBy === recorder.current) return undefined;
    return list?.shift();
  };
  return {
    take(bytes) {
      if (!(bytes <= MOST_BYTES)) {
        const expected = `an array of at most ${MOST_BYTES} bytes`;
        throw new OutriderError(expected, `one of ${bytes} bytes`, ROOM_CURE);
      }
      const size = sizeOf(bytes);
      const known = reusable(size);
      if (known !== undefined) {
        freeBytes -= size;
        return known;
      }
      const buffers: GPUBuffer[] = [];
      for (let from = 0; from < size; from += bufferBytes) {
        buffers.push(create(Math.min(bufferBytes, size - from)));
      }
      return { buffers, bufferBytes, id: made++, bytes: size, usedBy: -1 };
    },
    sizeOf,
    give(pooled) {
      if (freeBytes + pooled.bytes > MOST_FREE_BYTES) {
        // Commands that wait may still use it; once they are submitted, WebGPU keeps it for them.
        if (pooled.usedBy === recorder.current) recorder.submit();
        for (const buffer of pooled.buffers) buffer.destroy();
        return;
      }
      freeBytes += pooled.bytes;
      const list = free.get(pooled.bytes);
      if (list === undefined) free.set(pooled.bytes, [pooled]);
      else list.push(pooled);
    },
  };
}
