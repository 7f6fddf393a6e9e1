/**
 * Operands and results of parts: how elements are read and written, in WGSL.
 *
 * A map that is computed on the way is a function at module scope: of the place of an element where
 * it is read, and of the place and the value where a result goes through it.
 *
 * @module
 */
import { axesOf, coalesce } from "../../src/core/axes.ts";
import type { DType } from "../../src/core/dtype.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { contiguousStrides } from "../../src/core/shape.ts";
import type { Access, MapSpec } from "../../src/plan/kernel_spec.ts";
import type { BindingSpec, OperandSpec, ResultSpec, WordType } from "./dispatch.ts";
import { accessCursor, type Cursor, elementCode, placeText, sourceCursors } from "./elements.ts";
import { storeWord, wordAt } from "./pieces.ts";
import type { Operand, Result } from "./shader.ts";
import { walkCode } from "./walk.ts";

/** An argument with the declarations at module scope that it needs. */
export interface Declared<Argument> {
  readonly argument: Argument;
  readonly declarations: readonly string[];
}

/** How a value of a computed type is held in WGSL. */
export function heldType(type: DType): "f32" | "i32" {
  return type === "f32" ? "f32" : "i32";
}

function converted(expression: string, from: WordType, to: WordType): string {
  return from === to ? expression : `bitcast<${to}>(${expression})`;
}

function boundAt(
  bindings: readonly BindingSpec[],
  binding: number,
  type: DType,
): Operand {
  const as = (to: WordType) => (index: string) =>
    converted(wordAt(bindings, binding, index), bindings[binding].type, to);
  return { type, at: as(heldType(type)), words: { u32: as("u32"), f32: as("f32") } };
}

function boundResult(
  bindings: readonly BindingSpec[],
  binding: number,
  type: DType,
): Result {
  const declared = bindings[binding].type;
  return {
    ...boundAt(bindings, binding, type),
    store: (index, value) =>
      storeWord(bindings, binding, index, converted(value, heldType(type), declared)),
  };
}

/** Position i of the map must be element i of the access, or places would not tell coordinates. */
function checkOrder({ shape }: MapSpec, { strides, offset }: Access): void {
  const wanted = contiguousStrides(shape);
  const isInOrder = shape.every((size, axis) => size === 1 || strides[axis] === wanted[axis]);
  if (isInOrder && offset === 0) return;
  throw new OutriderError(
    `a map over elements in order: strides ${wanted}`,
    `strides ${strides} from ${offset}`,
    "run the map as a kernel of its own",
  );
}

/** Statements of a map at position `i`, the places of some cursors, and the value. */
function mapCode(map: MapSpec, operands: readonly Operand[], more: readonly Cursor[]) {
  const cursors = [...sourceCursors(map.shape.length, map), ...more];
  const axes = coalesce(axesOf(map.shape, cursors.map(({ steps }) => steps)));
  const walk = walkCode(axes, "i", "c");
  const places = cursors.map((cursor, k) => placeText(cursor, walk.places[k] ?? "0u"));
  const { lines, value } = elementCode(map, operands, places);
  return { lines: [...walk.lines, ...lines], places, value };
}

/** The operand of a spec; what is declared for it begins with `name`. */
export function operandOf(
  spec: OperandSpec,
  bindings: readonly BindingSpec[],
  type: DType,
  name: string,
): Declared<Operand> {
  if (spec.from === "binding") {
    return { argument: boundAt(bindings, spec.binding, type), declarations: [] };
  }
  const { map } = spec;
  checkOrder(map, map.output);
  const inputs = spec.operands.map((one, k) =>
    operandOf(one, bindings, map.inputs[k].type, `${name}_${k}`)
  );
  const { lines, value } = mapCode(map, inputs.map(({ argument }) => argument), []);
  const text = [
    `fn ${name}(i: u32) -> ${heldType(type)} {`,
    ...lines,
    `return ${value};`,
    "}",
  ].join("\n");
  return {
    argument: { type, at: (index) => `${name}(${index})` },
    declarations: [...inputs.flatMap(({ declarations }) => declarations), text],
  };
}

/** The result of a spec; what is declared for it begins with `name`. */
export function resultOf(
  spec: ResultSpec,
  bindings: readonly BindingSpec[],
  type: DType,
  name: string,
): Declared<Result> {
  if (spec.to === "binding") {
    return { argument: boundResult(bindings, spec.binding, type), declarations: [] };
  }
  const { map } = spec;
  checkOrder(map, map.inputs[spec.input]);
  const given: Declared<Operand> = { argument: { type, at: () => "value" }, declarations: [] };
  const inputs = spec.operands.map((one, k) =>
    k === spec.input ? given : operandOf(one, bindings, map.inputs[k].type, `${name}_${k}`)
  );
  const output = boundResult(bindings, spec.binding, map.output.type);
  const operands = inputs.map(({ argument }) => argument);
  const { lines, places, value } = mapCode(map, operands, [accessCursor(map.output)]);
  const text = [
    `fn ${name}(i: u32, value: ${heldType(type)}) {`,
    ...lines,
    output.store(places[places.length - 1], value),
    "}",
  ].join("\n");
  return {
    argument: { ...output, store: (index, stored) => `${name}(${index}, ${stored});` },
    declarations: [...inputs.flatMap(({ declarations }) => declarations), text],
  };
}
