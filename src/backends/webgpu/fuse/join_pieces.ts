/**
 * Two maps that write the two halves of one buffer (a rotation by pairs does) as one map.
 *
 * @module
 */
import type { Access, Instruction, MapSpec } from "../../../plan/kernel_spec.ts";
import { stableJson } from "../../../plan/stable_json.ts";
import { conflict, type Naming, type Source, type Step } from "./step.ts";
import { timelineOf } from "./timeline.ts";

interface MapStep extends Step {
  readonly kernel: MapSpec;
}

function isPlainMap(step: Step | undefined): step is MapStep {
  return step?.kernel.family === "map" && step.after === undefined;
}

/** Collects inputs and instructions, each once. */
function bodyCollector() {
  const inputs: Access[] = [];
  const sources: Source[] = [];
  const body: Instruction[] = [];
  const known = new Map<string, number>();
  const once = <T>(list: T[], kind: string, value: T): number => {
    const key = kind + stableJson(value);
    const found = known.get(key) ?? list.push(value) - 1;
    known.set(key, found);
    return found;
  };
  const add = (instruction: Instruction): number => once(body, "instruction", instruction);
  const load = (access: Access, source: Source): number => {
    const key = `input${stableJson({ access, source })}`;
    const found = known.get(key) ?? inputs.push(access) - 1;
    known.set(key, found);
    sources[found] = source;
    return found;
  };
  /** Adds a map's body, its accesses widened by `widen`; gives the number of its result. */
  const addBody = (
    { kernel, sources: from }: MapStep,
    widen: (access: Access) => Access,
  ): number => {
    const numbers: number[] = [];
    for (const step of kernel.body) {
      if (step.op === "load") {
        const access = load(widen(kernel.inputs[step.access]), from[step.access]);
        numbers.push(add({ ...step, access }));
      } else if ("args" in step) numbers.push(add(renumbered(step, numbers)));
      else numbers.push(add(step));
    }
    return numbers[numbers.length - 1];
  };
  return { inputs, sources, body, add, addBody };
}

/** An instruction over other numbers of earlier ones. */
function renumbered<T extends Instruction & { readonly args: readonly number[] }>(
  step: T,
  numbers: readonly number[],
): T {
  return { ...step, args: step.args.map((arg) => numbers[arg]) };
}

/** One map for two, where they go over the same shape and read the same elements. */
function joined(a: MapStep, b: MapStep): Step | undefined {
  const [first, second] = a.kernel.output.offset < b.kernel.output.offset ? [a, b] : [b, a];
  const { shape, output } = first.kernel;
  const other = second.kernel.output;
  const apart = other.offset - output.offset;
  const isSame = stableJson([shape, output.strides, output.type]) ===
    stableJson([second.kernel.shape, other.strides, other.type]);
  if (!isSame || apart === 0) return undefined;
  const widen = (access: Access): Access => ({ ...access, strides: [...access.strides, 0] });
  const { inputs, sources, body, add, addBody } = bodyCollector();
  const [low, high] = [addBody(first, widen), addBody(second, widen)];
  // Where they share little, each element would pay for both.
  if (inputs.length > Math.max(first.kernel.inputs.length, second.kernel.inputs.length)) {
    return undefined;
  }
  const axis = add({ op: "iota", axis: shape.length, type: "i32" });
  const zero = add({ op: "constant", value: 0, type: "i32" });
  const isLow = add({ op: "equal", args: [axis, zero], type: "bool" });
  body.push({ op: "where", args: [isLow, low, high], type: body[low].type });
  const kernel: MapSpec = {
    family: "map",
    shape: [...shape, 2],
    inputs,
    output: { ...output, strides: [...output.strides, apart] },
    body,
  };
  return { kernel, sources, target: first.target };
}

/** Joins such maps; the joined one stands where the second stood. */
export function joinPieces(steps: readonly Step[], naming: Naming): Step[] {
  const found: (Step | undefined)[] = [...steps];
  const timeline = timelineOf(steps, naming);
  steps.forEach((step, j) => {
    const writers = timeline.writers(naming(step.target));
    const before = writers[writers.indexOf(j) - 1];
    const earlier = before === undefined ? undefined : found[before];
    if (writers.length !== 2 || !isPlainMap(step) || !isPlainMap(earlier)) return;
    if (timeline.isRead(naming(step.target), -1, j)) return;
    const isFree = found.slice(before + 1, j).every((one) =>
      one === undefined || !conflict(earlier, one, naming)
    );
    const one = isFree ? joined(earlier, step) : undefined;
    if (one === undefined) return;
    found[before] = undefined;
    found[j] = one;
  });
  return found.filter((step) => step !== undefined);
}
