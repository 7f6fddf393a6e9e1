/**
 * Reductions whose vectors run across results; a unit is a block of neighbouring results, each one
 * chain over the reduced indices in order.
 *
 * @module
 */
import type { Local } from "./assembler.ts";
import { at, i32, i32x4 } from "./assembler_ops.ts";
import { emitBody, toMemory } from "./body.ts";
import { cursorLocals, lanesAt } from "./elements.ts";
import type { KernelFrame } from "./kernel.ts";
import { LANES, scatterLanes } from "./lanes.ts";
import { foldOf } from "./reduce_fold.ts";
import type { ReduceLoops, ReducePlan } from "./reduce_loops.ts";
import { positions, startWalk } from "./walk.ts";

/** Results of one unit: as many as fill a cache line. */
const BLOCK = 16;

/** Plans a reduction across results. */
export function reduceAcross(loops: ReduceLoops): ReducePlan {
  const { spec, cursors, kept, reduced } = loops;
  const bodyType = spec.body[spec.body.length - 1].type;
  const inner = kept.at(-1) ?? { size: 1, steps: cursors.map(() => 0) };
  const blocks = {
    size: Math.ceil(inner.size / BLOCK),
    steps: inner.steps.map((step) => step * BLOCK),
  };
  const outer = [...kept.slice(0, -1), blocks];
  const output = cursors.length - 1;

  const write = (frame: KernelFrame): void => {
    const { builder, lo, hi, args } = frame;
    const starts = cursorLocals(builder, cursors, args);
    const walk = startWalk(builder, outer, starts, lo);
    const fold = foldOf(frame, spec.combine, bodyType);
    const accumulators = Array.from({ length: BLOCK / LANES }, () => fold.start());

    const block = (width: number): void => {
      const vectors = Array.from({ length: Math.ceil(width / LANES) }, (_, vector) => ({
        vector,
        count: Math.min(LANES, width - vector * LANES),
        accumulator: accumulators[vector],
      }));
      vectors.forEach(({ accumulator }) => fold.reset(accumulator));
      const position = builder.local(i32.constant(0));
      const takeAll = (moving: readonly Local<"i32">[]): void => {
        for (const { vector, count, accumulator } of vectors) {
          const source = lanesAt(builder, cursors, moving, inner.steps, vector, count);
          const value = toMemory(frame, emitBody(frame, spec.body, source), bodyType);
          fold.take(accumulator, builder.local(value), () => i32x4.splat(position));
        }
        builder.advance(position, 1);
      };
      const rows = (axis: number, cursor: readonly Local<"i32">[]): void => {
        if (axis === reduced.length) return takeAll(cursor);
        const moving = cursor.map((pointer) => builder.local(pointer));
        builder.repeat(reduced[axis].size, () => {
          rows(axis + 1, moving);
          moving.forEach((pointer, i) => builder.advance(pointer, reduced[axis].steps[i]));
        });
      };
      rows(0, starts);
      const step = inner.steps[output];
      for (const { vector, count, accumulator } of vectors) {
        const target = at(starts[output], vector * LANES * step);
        scatterLanes(builder, target, step, count, fold.result(accumulator));
      }
    };

    const rest = inner.size % BLOCK;
    const isLast = i32.eq(walk.indices[outer.length - 1], i32.constant(blocks.size - 1));
    builder.loopWhile(i32.ltU(lo, hi), () => {
      if (rest === 0) block(BLOCK);
      else builder.when(isLast, () => block(rest), () => block(BLOCK));
      walk.next();
      builder.advance(lo, 1);
    });
  };
  return { units: positions(outer), unitLanes: BLOCK, write };
}
