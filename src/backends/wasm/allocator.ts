/**
 * The allocator of one growing linear memory: size classes with a free list each.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";

/** Every allocation begins at a multiple of this: one cache line. */
export const ALIGNMENT = 64;

/** Hands out ranges of one memory. */
export interface Allocator {
  /**
   * The address of `bytes` free bytes.
   *
   * @throws OutriderError where the memory cannot grow any more
   */
  allocate(bytes: number): number;
  /**
   * Takes a range back.
   *
   * @throws OutriderError where the address is not one in use
   */
  release(address: number): void;
  /**
   * The bytes that the range at an address holds.
   *
   * @throws OutriderError where the address is not one in use
   */
  capacity(address: number): number;
  /** Ranges in use. */
  readonly liveRanges: number;
  /** Bytes in use, size classes included. */
  readonly liveBytes: number;
}

/** The size class of a request: at most an eighth larger than what was asked for. */
export function sizeClass(bytes: number): number {
  const least = Math.max(bytes, ALIGNMENT);
  const step = Math.max(ALIGNMENT, 2 ** (Math.floor(Math.log2(least)) - 3));
  return Math.ceil(least / step) * step;
}

/** The smallest free size that holds `size`, where there is one. */
function smallestFree(free: ReadonlyMap<number, readonly number[]>, size: number): number {
  let best = Infinity;
  for (const [candidate, addresses] of free) {
    if (addresses.length > 0 && candidate >= size && candidate < best) best = candidate;
  }
  return best;
}

/**
 * An allocator over addresses 64 .. limit-1; `reach` makes the memory at least so many bytes long
 * and says whether it could.
 */
export function createAllocator(limit: number, reach: (bytes: number) => boolean): Allocator {
  const free = new Map<number, number[]>();
  const live = new Map<number, number>();
  let end = ALIGNMENT;
  let liveBytes = 0;

  const claim = (address: number, size: number): number => {
    live.set(address, size);
    liveBytes += size;
    return address;
  };
  const capacity = (address: number): number => {
    const size = live.get(address);
    if (size !== undefined) return size;
    throw new OutriderError("an allocation in use", `${address}`, "release each one once");
  };
  return {
    allocate(bytes) {
      const size = sizeClass(bytes);
      const same = free.get(size)?.pop();
      if (same !== undefined) return claim(same, size);
      if (end + size <= limit && reach(end + size)) {
        const address = end;
        end += size;
        return claim(address, size);
      }
      const larger = smallestFree(free, size);
      const address = free.get(larger)?.pop();
      if (address === undefined) {
        throw new OutriderError(
          `${bytes} free bytes in the WebAssembly memory`,
          `${limit - end} left of ${limit}`,
          "use a smaller model, context or batch, or a packed weight type",
        );
      }
      return claim(address, larger);
    },
    capacity,
    release(address) {
      const size = capacity(address);
      live.delete(address);
      liveBytes -= size;
      const list = free.get(size);
      if (list === undefined) free.set(size, [address]);
      else list.push(address);
    },
    get liveRanges() {
      return live.size;
    },
    get liveBytes() {
      return liveBytes;
    },
  };
}
