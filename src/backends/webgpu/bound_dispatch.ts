/**
 * Dispatches with their bind groups, which are made once per set of buffers.
 *
 * @module
 */
import type { PooledBuffer } from "./buffer_pool.ts";
import type { Gpu } from "./gpu.ts";
import type { Pipeline } from "./pipelines.ts";

/** What a binding is: a buffer that stays, or the number of a port. */
export type Bound = PooledBuffer | number;

/** A dispatch ready to be recorded. */
export interface BoundDispatch {
  readonly pipeline: Pipeline;
  /** The bind group for the buffers of all ports. */
  group(ports: readonly PooledBuffer[]): GPUBindGroup;
}

/** Bind groups that a dispatch keeps: results alternate between a few buffers. */
const KEPT = 4;

/** Binds a dispatch. */
export function bindDispatch(
  { device }: Gpu,
  pipeline: Pipeline,
  bounds: readonly Bound[],
): BoundDispatch {
  const ports = bounds.filter((bound) => typeof bound === "number");
  const keptIds: number[][] = [];
  const keptGroups: GPUBindGroup[] = [];
  let next = 0;
  const make = (all: readonly PooledBuffer[]): GPUBindGroup =>
    device.createBindGroup({
      layout: pipeline.layout,
      entries: bounds.map((bound, binding) => {
        const { buffer } = typeof bound === "number" ? all[bound] : bound;
        return { binding, resource: { buffer } };
      }),
    });
  const matches = (ids: readonly number[], all: readonly PooledBuffer[]): boolean => {
    for (let i = 0; i < ports.length; i++) if (ids[i] !== all[ports[i]].id) return false;
    return true;
  };
  return {
    pipeline,
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
