/**
 * What map and reduce share: the cursors of a spec's inputs and indices, and loading lanes by them.
 *
 * @module
 */
import type { Access, Instruction } from "../../src/plan/kernel_spec.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, i32, i32x4 } from "./assembler_ops.ts";
import type { BodySource } from "./body.ts";
import { gatherLanes, LANE_BYTES, LANES } from "./lanes.ts";

/** A cursor's steps over the spec's axes, and where it starts relative to its argument. */
export interface Cursor {
  /** Whether it reads memory or gives a coordinate. */
  readonly kind: "memory" | "index";
  /** The axis of an index cursor, the argument number of a memory cursor. */
  readonly source: number;
  /** Bytes, or coordinates, per step along each axis. */
  readonly steps: readonly number[];
  /** Bytes from the argument's pointer to the first element. */
  readonly start: number;
}

/** The cursor of an access to argument `source`. */
export function accessCursor(access: Access, source: number): Cursor {
  return {
    kind: "memory",
    source,
    steps: access.strides.map((stride) => stride * LANE_BYTES),
    start: access.offset * LANE_BYTES,
  };
}

/** The cursors of everything that a body reads: its inputs, then the axes it takes indices of. */
export function sourceCursors(
  rank: number,
  inputs: readonly Access[],
  body: readonly Instruction[],
): Cursor[] {
  const axes = new Set(body.flatMap((step) => step.op === "iota" ? [step.axis] : []));
  return [
    ...inputs.map(accessCursor),
    ...[...axes].map((axis): Cursor => ({
      kind: "index",
      source: axis,
      steps: Array.from({ length: rank }, (_, i) => i === axis ? 1 : 0),
      start: 0,
    })),
  ];
}

/** Locals that hold the cursors at position 0. */
export function cursorLocals(
  builder: FunctionBuilder,
  cursors: readonly Cursor[],
  args: readonly Local<"i32">[],
): Local<"i32">[] {
  return cursors.map(({ kind, source, start }) =>
    builder.local(
      kind === "index" ? i32.constant(start) : i32.add(args[source], i32.constant(start)),
    )
  );
}

/** Lanes that a body reads: `count` of them, from `vector` vectors after the cursors. */
export function lanesAt(
  builder: FunctionBuilder,
  cursors: readonly Cursor[],
  locals: readonly Local<"i32">[],
  laneSteps: readonly number[],
  vector: number,
  count: number,
): BodySource {
  const indexLanes = (cursor: number): Expression<"v128"> => {
    const step = laneSteps[cursor];
    const first = vector * LANES * step;
    const lanes = i32x4.constant(first, first + step, first + 2 * step, first + 3 * step);
    return i32x4.add(i32x4.splat(locals[cursor]), builder.constant(lanes));
  };
  return {
    load(access) {
      const step = laneSteps[access];
      return gatherLanes(at(locals[access], vector * LANES * step), step, count);
    },
    iota: (axis) =>
      indexLanes(cursors.findIndex((cursor) => cursor.kind === "index" && cursor.source === axis)),
  };
}
