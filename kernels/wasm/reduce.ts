/**
 * reduce: out[o] = combine over r of body(inputs[o, r]), combine one of sum, max, argmax.
 *
 * Where the last reduced axis lies contiguous in every input, vectors run along it ("along"):
 * vector v of a run goes to accumulator v mod 4, and the accumulators fold as (0, 1), (2, 3).
 * Else vectors run along the last kept axis and every result is one chain in order ("across").
 * The strides alone decide, so the order of a result depends on its reduced length only.
 *
 * @module
 */
import type { ReduceSpec } from "../../src/plan/kernel_spec.ts";
import { assembleKernel, type Features, type Kernel } from "./kernel.ts";
import { LANE_BYTES, LANES } from "./lanes.ts";
import { reduceAcross } from "./reduce_across.ts";
import { MEETING_BYTES, reduceAlong } from "./reduce_along.ts";
import { type ReduceLoops, reduceLoops } from "./reduce_loops.ts";
import { positions } from "./walk.ts";

/** True where every input is contiguous (or constant) along the last reduced axis. */
function runsAlong(loops: ReduceLoops): boolean {
  const last = loops.reduced.at(-1);
  return last === undefined ||
    loops.cursors.every((cursor, i) =>
      cursor.kind === "index" || last.steps[i] === 0 || last.steps[i] === LANE_BYTES
    );
}

/** Generates the kernel of a reduction. */
export function reduceKernel(spec: ReduceSpec, features: Features): Kernel {
  const loops = reduceLoops(spec);
  const plan = runsAlong(loops) ? reduceAlong(loops) : reduceAcross(loops);
  const length = positions(loops.reduced);
  const shape = {
    args: spec.inputs.length + 1,
    units: positions(loops.kept) === 0 ? 0 : plan.units,
    unitCost: Math.ceil(plan.unitLanes * length / LANES) * (spec.body.length + 1),
    scratchBytes: MEETING_BYTES,
  };
  return assembleKernel(features, shape, plan.write);
}
