/**
 * map: out[i] = body(inputs[i]) for every index i of the shape.
 *
 * Axes are merged, the last one runs in vectors; a unit is a run along it, cut into chunks where it
 * is long. Strides other than 0 and 1 along it gather and scatter lanes.
 *
 * @module
 */
import type { MapSpec } from "../../src/plan/kernel_spec.ts";
import { at, i32 } from "./assembler_ops.ts";
import { emitBody, toMemory } from "./body.ts";
import { accessCursor, cursorLocals, lanesAt, sourceCursors } from "./elements.ts";
import { assembleKernel, type Features, type Kernel, type KernelFrame } from "./kernel.ts";
import { LANE_BYTES, LANES, scatterLanes } from "./lanes.ts";
import { axesOf, type Axis, coalesce, positions, startWalk } from "./walk.ts";

/** Longest run of one unit; a multiple of the lanes. */
const CHUNK = 1024;
/** Bodies of at most this many instructions are unrolled twice. */
const SHORT_BODY = 12;

/** The outer axes with the chunks of the inner one as the last, and the inner axis itself. */
function cutAxes(axes: readonly Axis[]): { outer: Axis[]; inner: Axis; chunk: number } {
  const inner = axes.at(-1) ?? { size: 1, steps: [] };
  const chunk = Math.min(inner.size, CHUNK);
  const chunks = {
    size: Math.ceil(inner.size / chunk),
    steps: inner.steps.map((step) => step * chunk),
  };
  return { outer: [...axes.slice(0, -1), chunks], inner, chunk };
}

/** The axes of the spec, the one that vectors run along last. */
function vectorAxes(axes: readonly Axis[]): readonly Axis[] {
  const last = axes.at(-1);
  if (last === undefined || last.size >= LANES) return axes;
  const longest = axes.reduce((best, axis) => axis.size > best.size ? axis : best, last);
  return [...axes.filter((axis) => axis !== longest), longest];
}

/** Generates the kernel of a map. */
export function mapKernel(spec: MapSpec, features: Features): Kernel {
  const sources = sourceCursors(spec.shape.length, spec.inputs, spec.body);
  const cursors = [...sources, accessCursor(spec.output, spec.inputs.length)];
  const empty = spec.shape.includes(0);
  const merged = coalesce(axesOf(spec.shape, cursors.map((cursor) => cursor.steps)));
  const { outer, inner, chunk } = cutAxes(empty ? [] : vectorAxes(merged));
  const laneSteps = cursors.map((_, i) => inner.steps[i] ?? 0);
  // Vectors that lie side by side, or the same number in both.
  const hasPairs =
    sources.every(({ kind }, i) => kind === "memory" && [0, LANE_BYTES].includes(laneSteps[i])) &&
    laneSteps[cursors.length - 1] === LANE_BYTES;
  const shape = {
    args: spec.inputs.length + 1,
    units: empty ? 0 : positions(outer),
    unitCost: Math.ceil(chunk / LANES) * spec.body.length,
    scratchBytes: 0,
  };

  const write = (frame: KernelFrame): void => {
    const { builder, lo, hi, args } = frame;
    const starts = cursorLocals(builder, cursors, args);
    const walk = startWalk(builder, outer, starts, lo);
    const vectors = (moving: typeof starts, numbers: readonly number[], count: number): void => {
      const values = numbers.map((vector) => {
        const source = lanesAt(builder, cursors, moving, laneSteps, vector, count);
        return builder.local(
          toMemory(frame, emitBody(frame, spec.body, source), spec.output.type),
        );
      });
      const step = laneSteps[cursors.length - 1];
      numbers.forEach((vector, i) => {
        const target = at(moving[cursors.length - 1], vector * LANES * step);
        scatterLanes(builder, target, step, count, values[i]);
      });
    };
    const run = (length: number): void => {
      const moving = starts.map((start) => builder.local(start));
      const unroll = spec.body.length <= SHORT_BODY ? 2 : 1;
      const pass = (count: number, together: number): void => {
        const bytes = together * LANES;
        const pointers = moving.map((pointer, i) => ({ pointer, bytes: bytes * laneSteps[i] }));
        builder.stream(count, pointers, unroll, (step) => {
          const first = step * together;
          vectors(moving, Array.from({ length: together }, (_, i) => first + i), LANES);
        });
      };
      const full = Math.floor(length / LANES);
      const together = features.vectors === "joined" && hasPairs ? 2 : 1;
      pass(Math.floor(full / together), together);
      if (full % together > 0) pass(1, 1);
      if (length % LANES > 0) vectors(moving, [0], length % LANES);
    };
    const rest = inner.size % chunk;
    const isLast = i32.eq(
      walk.indices[outer.length - 1],
      i32.constant(outer[outer.length - 1].size - 1),
    );
    builder.loopWhile(i32.ltU(lo, hi), () => {
      if (rest === 0) run(chunk);
      else builder.when(isLast, () => run(rest), () => run(chunk));
      walk.next();
      builder.advance(lo, 1);
    });
  };
  return assembleKernel(features, shape, write);
}
