/**
 * From a plan's commands to dispatches and the memory that they bind.
 *
 * @module
 */
import { argumentTypes, type BindingSpec, type DispatchSpec } from "../../../kernels/wgsl/mod.ts";
import type { DType } from "../../core/dtype.ts";
import type { BufferHome } from "../../plan/plan.ts";
import type { GpuCommand, GpuPlan } from "./attention_statistics.ts";

/** A piece of a plan's memory; two pieces share memory where both fields are equal. */
export interface MemoryPlace {
  readonly home: BufferHome["home"];
  /** The number of the port or slot; for a constant that of its buffer. */
  readonly index: number;
}

/** One dispatch of a plan. */
export interface PlannedDispatch {
  readonly spec: DispatchSpec;
  /** What is bound, in the order of the spec's bindings. */
  readonly places: readonly MemoryPlace[];
}

/** Where a buffer of a plan is; a result in the place of a donated input is that input. */
export function placeOf(plan: GpuPlan, buffer: number): MemoryPlace {
  const one = plan.buffers[buffer];
  if (one.home === "constant") return { home: "constant", index: buffer };
  if (one.home !== "output") return { home: one.home, index: one.index };
  const donor = plan.donations[one.index];
  return donor < 0 ? { home: "output", index: one.index } : { home: "input", index: donor };
}

const wordOf = (type: DType): "f32" | "i32" => type === "f32" ? "f32" : "i32";

/** Collects the bindings of a dispatch, each piece of memory once. */
function bindingList(plan: GpuPlan) {
  const bindings: BindingSpec[] = [];
  const places: MemoryPlace[] = [];
  const numbers = new Map<string, number>();
  const bind = (buffer: number, type: DType, access: BindingSpec["access"]): number => {
    const place = placeOf(plan, buffer);
    const name = `${place.home} ${place.index}`;
    const known = numbers.get(name);
    const word = wordOf(type);
    if (known === undefined) {
      numbers.set(name, places.length);
      bindings.push({ access, type: word });
      return places.push(place) - 1;
    }
    const before = bindings[known];
    bindings[known] = {
      access: before.access === "read" ? access : before.access,
      type: before.type === word ? word : "u32",
    };
    return known;
  };
  return { bindings, places, bind };
}

function dispatchOf(plan: GpuPlan, { spec: kernel, args }: GpuCommand): PlannedDispatch {
  const types = argumentTypes(kernel);
  const last = args.length - 1;
  const { bindings, places, bind } = bindingList(plan);
  const numbers = args.map((buffer, i) =>
    bind(buffer, types[i], i === last ? "read_write" : "read")
  );
  const operands = numbers.slice(0, last).map((binding) => ({ from: "binding", binding }) as const);
  const result = { to: "binding", binding: numbers[last] } as const;
  return { spec: { bindings, parts: [{ kernel, operands, result }] }, places };
}

/** The dispatches of a plan, one per command. */
export function planDispatches(plan: GpuPlan): readonly PlannedDispatch[] {
  return plan.commands.map((command) => dispatchOf(plan, command));
}
