/**
 * Memory of temporaries, shared by all plans: commands run one after the other, so that a plan needs
 * its slots only while it runs.
 *
 * @module
 */
import type { BufferPool, PooledBuffer } from "./buffer_pool.ts";

/** The slots of all plans of a backend. */
export interface SharedSlots {
  /** A buffer for each slot of a plan, apart from one another. */
  hold(sizes: readonly number[]): readonly PooledBuffer[];
  /** Gives back what a plan held. */
  drop(buffers: readonly PooledBuffer[]): void;
}

interface SharedSlot {
  readonly pooled: PooledBuffer;
  holders: number;
}

/** Makes the slots out of a pool. */
export function createSlots(pool: BufferPool): SharedSlots {
  const shared = new Map<number, SharedSlot[]>();
  return {
    hold(sizes) {
      const used = new Map<number, number>();
      return sizes.map((bytes) => {
        const size = pool.sizeOf(bytes);
        const list = shared.get(size) ?? [];
        shared.set(size, list);
        const place = used.get(size) ?? 0;
        used.set(size, place + 1);
        const slot = list[place] ?? { pooled: pool.take(bytes), holders: 0 };
        list[place] = slot;
        slot.holders++;
        return slot.pooled;
      });
    },
    drop(buffers) {
      for (const pooled of buffers) {
        const list = shared.get(pooled.bytes) ?? [];
        const place = list.findIndex((slot) => slot.pooled === pooled);
        if (place < 0 || --list[place].holders > 0) continue;
        list.splice(place, 1);
        pool.give(pooled);
      }
    },
  };
}
