/**
 * Groups of steps as dispatches: what they bind, each piece of memory once.
 *
 * @module
 */
import {
  argumentTypes,
  type BindingSpec,
  type OperandSpec,
  type PartSpec,
  type ResultSpec,
} from "../../../../kernels/wgsl/mod.ts";
import type { DType } from "../../../core/dtype.ts";
import type { MemoryPlace, PlannedDispatch } from "../planned_dispatch.ts";
import type { Source, Step } from "./step.ts";

const wordOf = (type: DType): "f32" | "i32" => type === "f32" ? "f32" : "i32";

/** Collects the bindings of a dispatch. */
function bindingList(placeOf: (buffer: number) => MemoryPlace) {
  const bindings: BindingSpec[] = [];
  const places: MemoryPlace[] = [];
  const numbers = new Map<string, number>();
  const bind = (buffer: number, type: DType, access: BindingSpec["access"]): number => {
    const place = placeOf(buffer);
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

type Bind = ReturnType<typeof bindingList>["bind"];

function operandOf(source: Source, type: DType, bind: Bind): OperandSpec {
  if ("buffer" in source) return { from: "binding", binding: bind(source.buffer, type, "read") };
  const { map, sources } = source;
  const operands = sources.map((one, i) => operandOf(one, map.inputs[i].type, bind));
  return { from: "map", map, operands };
}

function resultOf({ after, target }: Step, type: DType, bind: Bind): ResultSpec {
  if (after === undefined) return { to: "binding", binding: bind(target, type, "read_write") };
  const { map, input, sources } = after;
  const binding = bind(target, map.output.type, "read_write");
  const operands = sources.map((one, i): OperandSpec =>
    i === input ? { from: "binding", binding } : operandOf(one, map.inputs[i].type, bind)
  );
  return { to: "map", map, input, operands, binding };
}

/** The dispatch of steps. */
export function bindSteps(
  steps: readonly Step[],
  placeOf: (buffer: number) => MemoryPlace,
): PlannedDispatch {
  const { bindings, places, bind } = bindingList(placeOf);
  const parts = steps.map((step): PartSpec => {
    const { kernel, sources } = step;
    const types = argumentTypes(kernel);
    const operands = sources.map((source, i) => operandOf(source, types[i], bind));
    return { kernel, operands, result: resultOf(step, types[types.length - 1], bind) };
  });
  return { spec: { bindings, parts }, places };
}
