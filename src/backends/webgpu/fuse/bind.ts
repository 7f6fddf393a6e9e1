/**
 * Groups of steps as dispatches: what they bind, each piece of memory once.
 *
 * @module
 */
import {
  argumentTypes,
  type BindingSpec,
  type MapBehind,
  type OperandSpec,
  type PartSpec,
  type ResultSpec,
} from "../../../../kernels/wgsl/mod.ts";
import { type DType, ELEMENT_BYTES } from "../../../core/dtype.ts";
import { piecesOf } from "../limits.ts";
import type { MemoryPlace, PlannedDispatch } from "../planned_dispatch.ts";
import type { After, Bindable, Source, Step, WrittenTable } from "./step.ts";

const wordOf = (type: DType): "f32" | "i32" => type === "f32" ? "f32" : "i32";

/** Collects the bindings of a dispatch. */
function bindingList(placeOf: (buffer: number) => MemoryPlace) {
  const bindings: BindingSpec[] = [];
  const places: MemoryPlace[] = [];
  const numbers = new Map<string, number>();
  const bind = (
    { buffer, window }: Bindable,
    type: DType,
    access: BindingSpec["access"],
  ): number => {
    const place = { ...placeOf(buffer), ...window };
    const name = `${place.home} ${place.index} ${place.from}`;
    const known = numbers.get(name);
    const word = wordOf(type);
    if (known === undefined) {
      numbers.set(name, places.length);
      bindings.push({ access, type: word });
      return places.push(place) - 1;
    }
    const before = bindings[known];
    if (places[known].bytes < place.bytes) places[known] = place;
    bindings[known] = {
      access: before.access === "read" ? access : before.access,
      type: before.type === word ? word : "u32",
    };
    return known;
  };
  return { bindings, places, bind };
}

type Bind = ReturnType<typeof bindingList>["bind"];

/** Operands of a map or a reduction. */
function operandsOf(
  { inputs }: { readonly inputs: readonly { readonly type: DType }[] },
  sources: readonly Source[],
  bind: Bind,
): OperandSpec[] {
  return sources.map((source, i) => operandOf(source, inputs[i].type, bind));
}

function operandOf(source: Source, type: DType, bind: Bind): OperandSpec {
  if ("buffer" in source) return { from: "binding", binding: bind(source, type, "read") };
  const { sources } = source;
  if ("map" in source) {
    return { from: "map", map: source.map, operands: operandsOf(source.map, sources, bind) };
  }
  if ("scatter" in source) return tableOf(source, type, bind);
  const { reduce, after, count } = source;
  const operands = operandsOf(reduce, sources, bind);
  // What stands at the map's input is not read.
  const behind = after && mapBehind(after, operands[0], bind);
  return { from: "reduction", reduce, operands, count, ...(behind && { after: behind }) };
}

function tableOf({ scatter, sources, table }: WrittenTable, type: DType, bind: Bind): OperandSpec {
  const operands = sources.map((one, i) => operandOf(one, i === 0 ? "i32" : type, bind));
  const binding = bind({ buffer: table }, type, "read_write");
  return { from: "scatter", scatter, operands, binding };
}

function mapBehind({ map, input, sources }: After, unread: OperandSpec, bind: Bind): MapBehind {
  const operands = sources.map((one, i) =>
    i === input ? unread : operandOf(one, map.inputs[i].type, bind)
  );
  return { map, input, operands };
}

function resultOf({ after, target }: Step, type: DType, bind: Bind): ResultSpec {
  const memory = { buffer: target };
  if (after === undefined) return { to: "binding", binding: bind(memory, type, "read_write") };
  const binding = bind(memory, after.map.output.type, "read_write");
  return { to: "map", ...mapBehind(after, { from: "binding", binding }, bind), binding };
}

/** The binding of a place, in pieces where it is too large for one. */
function cutBinding(binding: BindingSpec, bytes: number, bindingBytes: number): BindingSpec {
  const count = piecesOf(bytes, bindingBytes);
  return count === 1
    ? binding
    : { ...binding, pieces: { count, words: bindingBytes / ELEMENT_BYTES } };
}

/** The dispatch of steps, given the bytes that an adapter binds at once. */
export function bindSteps(
  steps: readonly Step[],
  placeOf: (buffer: number) => MemoryPlace,
  bindingBytes: number,
): PlannedDispatch {
  const { bindings, places, bind } = bindingList(placeOf);
  const parts = steps.map((step): PartSpec => {
    const { kernel, sources } = step;
    const types = argumentTypes(kernel);
    const operands = sources.map((source, i) => operandOf(source, types[i], bind));
    return { kernel, operands, result: resultOf(step, types[types.length - 1], bind) };
  });
  const cut = bindings.map((one, i) => cutBinding(one, places[i].bytes, bindingBytes));
  return { spec: { bindings: cut, parts }, places };
}
