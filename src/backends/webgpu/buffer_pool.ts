/**
 * A pool of GPU buffers: size classes with a list of free ones each.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { Gpu } from "./gpu.ts";
import type { Recorder } from "./recorder.ts";

/** A buffer and what must be known of it. */
export interface PooledBuffer {
  readonly buffer: GPUBuffer;
  /** Its size, that of its class. */
  readonly bytes: number;
  /** The last submission whose commands use it; -1 where none does. */
  usedBy: number;
}

/** Hands out buffers of one usage. */
export interface BufferPool {
  /**
   * A buffer of at least so many bytes.
   *
   * @throws OutriderError where no buffer can be so large
   */
  take(bytes: number): PooledBuffer;
  /** Takes a buffer back. */
  give(buffer: PooledBuffer): void;
}

const LEAST_BYTES = 256;

/** The size class of a request: at most a quarter larger than what was asked for. */
export function sizeClass(bytes: number): number {
  const least = Math.max(bytes, LEAST_BYTES);
  const step = Math.max(LEAST_BYTES, 2 ** (Math.floor(Math.log2(least)) - 2));
  return Math.ceil(least / step) * step;
}

/** Small buffers that waiting commands use are not handed out again: a write would have to wait. */
const SMALL_BYTES = 64 * 1024;

/** Makes a pool. */
export function createBufferPool(
  { device }: Gpu,
  recorder: Recorder,
  usage: GPUBufferUsageFlags,
): BufferPool {
  const free = new Map<number, PooledBuffer[]>();
  const isFit = ({ bytes, usedBy }: PooledBuffer): boolean =>
    bytes > SMALL_BYTES || usedBy < recorder.current;
  return {
    take(bytes) {
      const most = device.limits.maxBufferSize;
      if (!(bytes <= most)) {
        throw new OutriderError(
          `an array of at most ${most} bytes, the adapter's largest buffer`,
          `one of ${bytes} bytes`,
          "use a smaller model, context or batch, or a packed weight type",
        );
      }
      const size = Math.min(sizeClass(bytes), most - most % 4);
      const list = free.get(size);
      if (list !== undefined && list.length > 0 && isFit(list[0])) {
        const first = list.shift();
        if (first !== undefined) return first;
      }
      return { buffer: device.createBuffer({ size, usage }), bytes: size, usedBy: -1 };
    },
    give(buffer) {
      const list = free.get(buffer.bytes);
      if (list === undefined) free.set(buffer.bytes, [buffer]);
      else list.push(buffer);
    },
  };
}
