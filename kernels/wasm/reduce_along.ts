/**
 * Reductions whose vectors run along the reduced axis; a unit is one result.
 *
 * @module
 */
import type { Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, i32, i32x4, v128 } from "./assembler_ops.ts";
import { emitBody, toMemory } from "./body.ts";
import { cursorLocals, lanesAt } from "./elements.ts";
import type { KernelFrame } from "./kernel.ts";
import { LANES, scatterLanes, VECTOR_BYTES } from "./lanes.ts";
import { type Accumulator, foldOf } from "./reduce_fold.ts";
import type { ReduceLoops, ReducePlan } from "./reduce_loops.ts";
import { positions, startWalk } from "./walk.ts";

/** Vectors in flight; also the number of accumulators of a result. */
const ACCUMULATORS = 4;

/** Bytes of scratch in which accumulators meet. */
export const MEETING_BYTES = 2 * ACCUMULATORS * VECTOR_BYTES;

/** Vectors of a run from which it pays that accumulators of joined vectors meet in memory. */
const LONG_RUN = 16;

/**
 * Stores the accumulators side by side and loads them again: an engine that joins vectors starts from
 * stores, so it keeps those that meet so in vectors of 256 bits.
 */
function throughMemory({ builder, scratch }: KernelFrame, accumulators: readonly Accumulator[]) {
  const locals = [
    ...accumulators.map(({ value }) => value),
    ...accumulators.flatMap(({ value, index }) => index === value ? [] : [index]),
  ];
  const places = locals.map((_, i) => at(scratch, i * VECTOR_BYTES));
  locals.forEach((local, i) => builder.emit(v128.store(places[i], local)));
  locals.forEach((local, i) => builder.assign(local, v128.load(places[i])));
}

/** The mask of the lanes that exist in a tail of `count` elements. */
function laneMask(count: number): Expression<"v128"> {
  const lane = (index: number): number => index < count ? -1 : 0;
  return i32x4.constant(lane(0), lane(1), lane(2), lane(3));
}

/** Plans a reduction along the reduced axis. */
export function reduceAlong(loops: ReduceLoops): ReducePlan {
  const { spec, cursors, kept, reduced } = loops;
  const bodyType = spec.body[spec.body.length - 1].type;
  const inner = reduced.at(-1) ?? { size: 1, steps: cursors.map(() => 0) };
  const laneSteps = inner.steps;
  const meetInMemory = spec.combine !== "argmax" && inner.size >= LONG_RUN * LANES &&
    cursors.every(({ kind }) => kind === "memory");

  const write = (frame: KernelFrame): void => {
    const { builder, lo, hi, args } = frame;
    const starts = cursorLocals(builder, cursors, args);
    const walk = startWalk(builder, kept, starts, lo);
    const fold = foldOf(frame, spec.combine, bodyType);
    const accumulators = Array.from({ length: ACCUMULATORS }, () => fold.start());
    const laneNumbers = builder.constant(i32x4.constant(0, 1, 2, 3));

    const run = (moving: readonly Local<"i32">[]): void => {
      const first = builder.local(i32.constant(0));
      const take = (vector: number, accumulator: number, count: number): void => {
        const source = lanesAt(builder, cursors, moving, laneSteps, vector, count);
        const value = builder.local(toMemory(frame, emitBody(frame, spec.body, source), bodyType));
        const present = count === LANES
          ? value
          : builder.local(v128.bitselect(value, fold.identity, laneMask(count)));
        const index = i32.add(first, i32.constant(vector * LANES));
        fold.take(
          accumulators[accumulator],
          present,
          () => i32x4.add(i32x4.splat(index), laneNumbers),
        );
      };
      const pointers = moving.map((pointer, i) => ({ pointer, bytes: LANES * laneSteps[i] }));
      const full = Math.floor(inner.size / LANES);
      builder.stream(
        full,
        [...pointers, { pointer: first, bytes: LANES }],
        ACCUMULATORS,
        (vector) => take(vector, vector, LANES),
      );
      const tail = inner.size % LANES;
      if (tail > 0) take(0, full % ACCUMULATORS, tail);
    };

    /** All runs of one result: the reduced axes before the last, as nested loops. */
    const runs = (axis: number, cursor: readonly Local<"i32">[]): void => {
      const moving = cursor.map((pointer) => builder.local(pointer));
      if (axis >= reduced.length - 1) return run(moving);
      builder.repeat(reduced[axis].size, () => {
        runs(axis + 1, moving);
        moving.forEach((pointer, i) => builder.advance(pointer, reduced[axis].steps[i]));
      });
    };

    builder.loopWhile(i32.ltU(lo, hi), () => {
      accumulators.forEach(fold.reset);
      if (positions(reduced) > 0) runs(0, starts);
      if (meetInMemory && frame.features.vectors === "joined") throughMemory(frame, accumulators);
      const [a, b, c, d] = accumulators;
      fold.merge(a, b);
      fold.merge(c, d);
      fold.merge(a, c);
      fold.acrossLanes(a);
      scatterLanes(builder, at(starts[cursors.length - 1]), 0, 1, fold.result(a));
      walk.next();
      builder.advance(lo, 1);
    });
  };
  return { units: positions(kept), unitLanes: 1, write };
}
