/**
 * What maps and reductions share: the cursors of a spec's inputs and indices, and the code of a body
 * at the places where they are.
 *
 * @module
 */
import type { Access, Instruction } from "../../src/plan/kernel_spec.ts";
import { type BodyCode, bodyCode } from "./body.ts";
import type { Operand } from "./shader.ts";
import { sumText } from "./walk.ts";

/** A cursor's steps over the spec's axes, and where it starts. */
export interface Cursor {
  /** Elements, or coordinates, per step along each axis. */
  readonly steps: readonly number[];
  /** Its place at position 0. */
  readonly start: number;
}

/** What a body reads. */
export interface Sources {
  readonly inputs: readonly Access[];
  readonly body: readonly Instruction[];
}

/** The cursor of an access. */
export function accessCursor({ strides, offset }: Access): Cursor {
  return { steps: strides, start: offset };
}

function iotaAxes(body: readonly Instruction[]): number[] {
  return [...new Set(body.flatMap((step) => step.op === "iota" ? [step.axis] : []))];
}

/** The cursors of all that a body reads over axes: its inputs, then the axes it takes indices of. */
export function sourceCursors(rank: number, { inputs, body }: Sources): Cursor[] {
  const coordinate = (axis: number): Cursor => ({
    steps: Array.from({ length: rank }, (_, i) => i === axis ? 1 : 0),
    start: 0,
  });
  return [...inputs.map(accessCursor), ...iotaAxes(body).map(coordinate)];
}

/** A u32 expression: where a cursor is after moving. */
export function placeText({ start }: Cursor, ...moves: readonly string[]): string {
  return sumText([...moves, `${start}u`]);
}

/** The code of a body whose cursors are at the given places. */
export function elementCode(
  { inputs, body }: Sources,
  operands: readonly Operand[],
  places: readonly string[],
): BodyCode {
  const axes = iotaAxes(body);
  return bodyCode(body, {
    load: (access) => operands[access].at(places[access]),
    iota: (axis) => `i32(${places[inputs.length + axes.indexOf(axis)]})`,
  });
}
