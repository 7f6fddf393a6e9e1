/**
 * Dispatches with their bind groups, which are made once per set of buffers.
 *
 * @module
 */
import { ELEMENT_BYTES } from "../../core/dtype.ts";
import type { PooledBuffer } from "./buffer_pool.ts";
import { rangesOf } from "./buffer_ranges.ts";
import type { Gpu } from "./gpu.ts";
import type { Pipeline } from "./pipelines.ts";

/** What a binding is: a part of a buffer that stays, or of the numbered port's. */
export interface Bound {
  readonly memory: PooledBuffer | number;
  /** Its first byte, and how many there are. */
  readonly from: number;
  readonly bytes: number;
}

/** What is bound of memory: all of it, where that is no more than a binding. */
function resources(
  pooled: PooledBuffer,
  { from, bytes }: Bound,
  bindingBytes: number,
): GPUBufferBinding[] {
  if (pooled.bytes <= bindingBytes && from === 0) return [{ buffer: pooled.buffers[0] }];
  return rangesOf(pooled, from, Math.max(bytes, ELEMENT_BYTES), bindingBytes);
}

/** A dispatch ready to be recorded. */
export interface BoundDispatch {
  readonly pipeline: Pipeline;
  /** The numbers of the ports that it binds. */
  readonly ports: readonly number[];
  /** The bind group for the buffers of all ports. */
  group(ports: readonly PooledBuffer[]): GPUBindGroup;
}

/** Bind groups that a dispatch keeps: results alternate between a few buffers. */
const KEPT = 4;

/** Binds a dispatch. */
export function bindDispatch(
  { device, limits: { bindingBytes } }: Gpu,
  pipeline: Pipeline,
  bounds: readonly Bound[],
): BoundDispatch {
  const ports = bounds.map(({ memory }) => memory).filter((memory) => typeof memory === "number");
  const keptIds: number[][] = [];
  const keptGroups: GPUBindGroup[] = [];
  let next = 0;
  const make = (all: readonly PooledBuffer[]): GPUBindGroup =>
    device.createBindGroup({
      layout: pipeline.layout,
      entries: bounds.flatMap((bound) => {
        const { memory } = bound;
        return resources(typeof memory === "number" ? all[memory] : memory, bound, bindingBytes);
      }).map((resource, binding) => ({ binding, resource })),
    });
  const matches = (ids: readonly number[], all: readonly PooledBuffer[]): boolean => {
    for (let i = 0; i < ports.length; i++) if (ids[i] !== all[ports[i]].id) return false;
    return true;
  };
  return {
    pipeline,
    ports,
    group(all) {
      for (let k = 0; k < keptIds.length; k++) if (matches(keptIds[k], all)) return keptGroups[k];
      const made = make(all);
      keptIds[next] = ports.map((port) => all[port].id);
      keptGroups[next] = made;
      next = (next + 1) % KEPT;
      return made;
    },
  };
}

/**
 * The bind groups of all dispatches, in order, for the buffers of all ports. From one run to the next
 * few ports have another buffer, so that only the dispatches that bind those look for their groups.
 */
export function bindGroups(
  dispatches: readonly BoundDispatch[],
): (ports: readonly PooledBuffer[]) => readonly GPUBindGroup[] {
  const users = new Map<number, number[]>();
  dispatches.forEach(({ ports }, place) => {
    for (const port of new Set(ports)) {
      const list = users.get(port);
      if (list === undefined) users.set(port, [place]);
      else list.push(place);
    }
  });
  const lastIds: number[] = [];
  const groups: GPUBindGroup[] = [];
  const stale = new Set(dispatches.keys());
  return (ports) => {
    ports.forEach(({ id }, port) => {
      if (lastIds[port] === id) return;
      lastIds[port] = id;
      users.get(port)?.forEach((place) => stale.add(place));
    });
    for (const place of stale) groups[place] = dispatches[place].group(ports);
    stale.clear();
    return groups;
  };
}
