/**
 * What steps bind: an array that is larger than a binding takes several.
 *
 * @module
 */
import type { GpuPlan } from "../attention_statistics.ts";
import { piecesOf } from "../limits.ts";
import { bytesOf } from "../planned_dispatch.ts";
import { type Bindable, bindablesOf, type Naming, type Step } from "./step.ts";

/** The bindings of each piece of memory that a step touches, by its name. */
export type StepBindings = (step: Step) => Map<string, number>;

/** Counts the bindings of a plan's steps. */
export function stepBindings(plan: GpuPlan, naming: Naming, bindingBytes: number): StepBindings {
  const entry = ({ buffer, window }: Bindable): [string, number] => {
    const name = naming(buffer);
    const bytes = window?.bytes ?? bytesOf(plan, buffer);
    return [
      window === undefined ? name : `${name} from ${window.from}`,
      piecesOf(bytes, bindingBytes),
    ];
  };
  return (step) => new Map(bindablesOf(step).map(entry));
}

/** How many bindings they are together. */
export function bindingCount(...bindings: readonly ReadonlyMap<string, number>[]): number {
  const all = new Map(bindings.flatMap((each) => [...each]));
  return all.values().reduce((sum, count) => sum + count, 0);
}
