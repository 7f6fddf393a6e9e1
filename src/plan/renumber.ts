/**
 * Moving an elementwise body's steps to other places.
 *
 * @module
 */
import type { Instruction } from "./kernel_spec.ts";

type UnaryStep = Extract<Instruction, { readonly args: readonly [number] }>;
type BinaryStep = Extract<Instruction, { readonly args: readonly [number, number] }>;

function isBinary(step: UnaryStep | BinaryStep): step is BinaryStep {
  return step.args.length === 2;
}

/** The step with each argument `i` replaced by `places[i]`; loads keep what they load. */
export function renumber(step: Instruction, places: readonly number[]): Instruction {
  switch (step.op) {
    case "load":
    case "constant":
    case "iota":
      return step;
    case "where":
      return { ...step, args: [places[step.args[0]], places[step.args[1]], places[step.args[2]]] };
    default:
      return isBinary(step)
        ? { ...step, args: [places[step.args[0]], places[step.args[1]]] }
        : { ...step, args: [places[step.args[0]]] };
  }
}
