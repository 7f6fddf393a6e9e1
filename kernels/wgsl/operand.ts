/**
 * Operands and results of parts: how elements are read and written, in WGSL.
 *
 * A map that is computed on the way is a function at module scope: of the place of an element where
 * it is read, and of the place and the value where a result goes through it. A reduction that groups
 * repeat leaves its result in workgroup memory, before the part's own statements.
 *
 * @module
 */
import { axesOf, coalesce } from "../../src/core/axes.ts";
import type { DType } from "../../src/core/dtype.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { contiguousStrides } from "../../src/core/shape.ts";
import type { Access, MapSpec } from "../../src/plan/kernel_spec.ts";
import type { BindingSpec, MapBehind, OperandSpec, ResultSpec, WordType } from "./dispatch.ts";
import { accessCursor, type Cursor, elementCode, placeText, sourceCursors } from "./elements.ts";
import { groupReduction } from "./group_reduction.ts";
import { storeWord, wordAt } from "./pieces.ts";
import { type GpuFeatures, heldType, type Operand, type Result } from "./shader.ts";
import { newRowsCode } from "./scatter.ts";
import { walkCode } from "./walk.ts";

/** An argument with what it needs. */
export interface Declared<Argument> {
  readonly argument: Argument;
  /** Declarations at module scope. */
  readonly declarations: readonly string[];
  /** Statements that all lanes of a group run before anything else. */
  readonly prologue: readonly string[];
}

/** An argument that needs nothing. */
function given<Argument>(argument: Argument): Declared<Argument> {
  return { argument, declarations: [], prologue: [] };
}

/** What several arguments need together. */
export function needsOf(
  all: readonly Declared<Operand>[],
): Pick<Declared<Operand>, "declarations" | "prologue"> {
  return {
    declarations: all.flatMap(({ declarations }) => declarations),
    prologue: all.flatMap(({ prologue }) => prologue),
  };
}

/** What specs are read with. */
export interface OperandScope {
  readonly bindings: readonly BindingSpec[];
  readonly features: GpuFeatures;
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

type MapOperand = Extract<OperandSpec, { readonly from: "map" }>;
type ReductionOperand = Extract<OperandSpec, { readonly from: "reduction" }>;
type ScatterOperand = Extract<OperandSpec, { readonly from: "scatter" }>;

function mapOperand(
  { map, operands }: MapOperand,
  scope: OperandScope,
  type: DType,
  name: string,
): Declared<Operand> {
  checkOrder(map, map.output);
  const inputs = operands.map((one, k) =>
    operandOf(one, scope, map.inputs[k].type, `${name}_${k}`)
  );
  const { lines, value } = mapCode(map, inputs.map(({ argument }) => argument), []);
  const text = [
    `fn ${name}(i: u32) -> ${heldType(type)} {`,
    ...lines,
    `return ${value};`,
    "}",
  ].join("\n");
  const { declarations, prologue } = needsOf(inputs);
  return {
    argument: { type, at: (index) => `${name}(${index})` },
    declarations: [...declarations, text],
    prologue,
  };
}

function reductionOperand(
  { reduce, operands, after, count }: ReductionOperand,
  scope: OperandScope,
  type: DType,
  name: string,
): Declared<Operand> {
  const place = (index: string) => `${name}_results[${index}]`;
  const memory: Result = {
    type,
    at: place,
    store: (index, value) => `${place(index)} = ${value};`,
  };
  const inputs = operands.map((one, k) =>
    operandOf(one, scope, reduce.inputs[k].type, `${name}_${k}`)
  );
  const result = after === undefined
    ? given(memory)
    : throughMap(after, scope, memory, reduce.output.type, `${name}_sink`);
  const found = groupReduction(reduce, {
    prefix: `${name}_`,
    features: scope.features,
    inputs: inputs.map(({ argument }) => argument),
    result: result.argument,
  });
  const { declarations, prologue } = needsOf([...inputs, result]);
  const results = `var<workgroup> ${name}_results: array<${heldType(type)}, ${count}>;`;
  return {
    argument: { type, at: place },
    declarations: [results, ...declarations, found.declarations],
    prologue: [...prologue, "{", found.body, "}", "workgroupBarrier();"],
  };
}

function scatterOperand(
  { scatter, operands, binding }: ScatterOperand,
  scope: OperandScope,
  type: DType,
  name: string,
): Declared<Operand> {
  const [indices, updates] = operands.map((one, k) =>
    operandOf(one, scope, k === 0 ? "i32" : type, `${name}_${k}`)
  );
  const table = boundResult(scope.bindings, binding, type);
  const inputs = [indices.argument, updates.argument];
  return {
    argument: {
      ...table,
      writeNewRows: (first, count) => newRowsCode(scatter, { inputs, result: table }, first, count),
    },
    ...needsOf([indices, updates]),
  };
}

/** The operand of a spec; what is declared for it begins with `name`. */
export function operandOf(
  spec: OperandSpec,
  scope: OperandScope,
  type: DType,
  name: string,
): Declared<Operand> {
  switch (spec.from) {
    case "binding":
      return given(boundAt(scope.bindings, spec.binding, type));
    case "map":
      return mapOperand(spec, scope, type, name);
    case "reduction":
      return reductionOperand(spec, scope, type, name);
    case "scatter":
      return scatterOperand(spec, scope, type, name);
  }
}

/** A result of a type that goes through a map to where `output` has it. */
function throughMap(
  { map, input, operands }: MapBehind,
  scope: OperandScope,
  output: Result,
  type: DType,
  name: string,
): Declared<Result> {
  checkOrder(map, map.inputs[input]);
  const inputs = operands.map((one, k) =>
    k === input
      ? given({ type, at: () => "value" })
      : operandOf(one, scope, map.inputs[k].type, `${name}_${k}`)
  );
  const operandsOfMap = inputs.map(({ argument }) => argument);
  const { lines, places, value } = mapCode(map, operandsOfMap, [accessCursor(map.output)]);
  const text = [
    `fn ${name}(i: u32, value: ${heldType(type)}) {`,
    ...lines,
    output.store(places[places.length - 1], value),
    "}",
  ].join("\n");
  const { declarations, prologue } = needsOf(inputs);
  return {
    argument: { ...output, store: (index, stored) => `${name}(${index}, ${stored});` },
    declarations: [...declarations, text],
    prologue,
  };
}

/** The result of a spec; what is declared for it begins with `name`. */
export function resultOf(
  spec: ResultSpec,
  scope: OperandScope,
  type: DType,
  name: string,
): Declared<Result> {
  if (spec.to === "binding") return given(boundResult(scope.bindings, spec.binding, type));
  const output = boundResult(scope.bindings, spec.binding, spec.map.output.type);
  return throughMap(spec, scope, output, type, name);
}
