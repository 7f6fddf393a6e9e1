/**
 * Copies from the GPU to the host.
 *
 * Deno ends an awaited `mapAsync` with a sleep of 10 ms, though the memory is mapped before. On a
 * buffer that was mapped once, `getMappedRange` right after an un-awaited `mapAsync` gives the same
 * bytes at once; where the memory is not mapped it throws, and the promise is awaited after all. On a
 * buffer's first mapping it ends the process, so that the first is always awaited. Whether the short
 * way works is tried out when the backend opens, in Deno only: browsers have nothing to gain.
 *
 * @module
 */
import type { BufferPool } from "./buffer_pool.ts";
import { type BufferRange, rangesOf } from "./buffer_ranges.ts";
import type { Gpu } from "./gpu.ts";
import type { Piece } from "./memory.ts";
import type { Recorder } from "./recorder.ts";
import { MAP_FOR_READING } from "./usage.ts";

/** How results come to the host: mapped memory awaited as the standard says, or taken at once. */
export type ReadbackRoute = "awaited" | "at once";

/** Reads from the GPU. */
export interface Readback {
  /** Bytes of a piece, after everything recorded before. */
  read(
    piece: Piece,
    offset: number,
    length: number,
    room?: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** The route that is taken. */
  readonly route: ReadbackRoute;
  /** Copies made so far. */
  readonly count: number;
}

const WORD = 4;
const LEAST_BYTES = 64 * 1024;

/** Few classes: each new staging buffer costs one awaited mapping. */
export function stagingClass(bytes: number): number {
  return 4 ** Math.ceil(Math.log2(Math.max(bytes, LEAST_BYTES)) / 2);
}

/** The range of a mapping that nobody awaits, where it can be had. */
function takenAtOnce(buffer: GPUBuffer, bytes: number): ArrayBuffer | undefined {
  try {
    return buffer.getMappedRange(0, bytes);
  } catch {
    return undefined;
  }
}

/** A mapped range, and how it came. */
interface Mapped {
  readonly range: ArrayBuffer;
  readonly route: ReadbackRoute;
}

/** Maps buffers; those that it mapped before can go the short way. */
function createMapper(): (buffer: GPUBuffer, bytes: number, by: ReadbackRoute) => Promise<Mapped> {
  const mappedBefore = new WeakSet<GPUBuffer>();
  return async (buffer, bytes, by) => {
    const mapping = buffer.mapAsync(MAP_FOR_READING, 0, bytes);
    if (by === "at once" && mappedBefore.has(buffer)) {
      const range = takenAtOnce(buffer, bytes);
      if (range !== undefined) {
        // It settles when nobody needs it any more.
        mapping.catch(() => {});
        return { range, route: "at once" };
      }
    }
    await mapping;
    mappedBefore.add(buffer);
    return { range: buffer.getMappedRange(0, bytes), route: "awaited" };
  };
}

/** A copy of a buffer's bytes into `target`, which is as long as they are. */
type Copy = (
  from: BufferRange,
  target: Uint8Array,
  by: ReadbackRoute,
) => Promise<ReadbackRoute>;

function createCopy({ faults }: Gpu, recorder: Recorder, staging: BufferPool): Copy {
  const map = createMapper();
  return async ({ buffer, offset }, target, by) => {
    const first = offset - offset % WORD;
    const bytes = Math.ceil((offset + target.length - first) / WORD) * WORD;
    const stage = staging.take(bytes);
    try {
      recorder.copy(buffer, first, stage.buffers[0], bytes);
      recorder.submit();
      const { range, route } = await map(stage.buffers[0], bytes, by);
      target.set(new Uint8Array(range, offset - first, target.length));
      stage.buffers[0].unmap();
      staging.give(stage);
      return route;
    } catch (error) {
      stage.buffers[0].destroy();
      throw await faults.explain("results of the GPU", error);
    }
  };
}

/** Tries the short way: the bytes must be those of now, not those of the mapping before. */
async function fastestRoute({ device }: Gpu, copy: Copy, pool: BufferPool): Promise<ReadbackRoute> {
  const source = pool.take(WORD);
  const [buffer] = source.buffers;
  const target = new Uint8Array(WORD);
  const round = async (value: number): Promise<boolean> => {
    device.queue.writeBuffer(buffer, 0, Uint8Array.of(value, 2, 3, 4));
    const route = await copy({ buffer, offset: 0, size: WORD }, target, "at once");
    return route === "at once" && target[0] === value;
  };
  await round(1);
  const works = await round(7) && await round(9);
  pool.give(source);
  return works ? "at once" : "awaited";
}

/** Makes the way back: staging buffers come out of one pool, what is tried out out of the other. */
export async function createReadback(
  gpu: Gpu,
  recorder: Recorder,
  { staging, pool }: { readonly staging: BufferPool; readonly pool: BufferPool },
  wanted: ReadbackRoute,
): Promise<Readback> {
  const copy = createCopy(gpu, recorder, staging);
  const route = wanted === "awaited" ? wanted : await fastestRoute(gpu, copy, pool);
  let count = 0;
  return {
    async read({ pooled }, offset, length, room) {
      const target = room?.length === length ? room : new Uint8Array(length);
      if (length === 0) return target;
      count++;
      let done = 0;
      for (const range of rangesOf(pooled, offset, length)) {
        await copy(range, target.subarray(done, done + range.size), route);
        done += range.size;
      }
      await gpu.faults.settled();
      return target;
    },
    route,
    get count() {
      return count;
    },
  };
}
