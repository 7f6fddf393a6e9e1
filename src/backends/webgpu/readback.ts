/**
 * Copies from the GPU to the host.
 *
 * @module
 */
import type { Piece } from "./memory.ts";
import type { BufferPool } from "./buffer_pool.ts";
import type { Gpu } from "./gpu.ts";
import type { Recorder } from "./recorder.ts";
import { MAP_FOR_READING } from "./usage.ts";
import { OutriderError } from "../../core/errors.ts";

/** Reads from the GPU. */
export interface Readback {
  /** Bytes of a piece, after everything recorded before. */
  read(
    piece: Piece,
    offset: number,
    length: number,
    room?: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** Copies made so far. */
  readonly count: number;
}

const WORD = 4;

/** Makes the way back, with staging buffers out of a pool. */
export function createReadback({ faults }: Gpu, recorder: Recorder, staging: BufferPool): Readback {
  let count = 0;
  const mapped = async (buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> => {
    try {
      await buffer.mapAsync(MAP_FOR_READING, 0, bytes);
      return buffer.getMappedRange(0, bytes);
    } catch (error) {
      faults.check();
      const found = error instanceof Error ? error.message : String(error);
      throw new OutriderError("results of the GPU", found, "open a new backend");
    }
  };
  return {
    async read({ pooled }, offset, length, room) {
      const from = offset - offset % WORD;
      const bytes = Math.ceil((offset + length - from) / WORD) * WORD;
      const target = room?.length === length ? room : new Uint8Array(length);
      if (length === 0) return target;
      count++;
      const stage = staging.take(bytes);
      recorder.copy(pooled.buffer, from, stage.buffer, bytes);
      recorder.submit();
      const found = await mapped(stage.buffer, bytes);
      target.set(new Uint8Array(found, offset - from, length));
      stage.buffer.unmap();
      staging.give(stage);
      faults.check();
      return target;
    },
    get count() {
      return count;
    },
  };
}
