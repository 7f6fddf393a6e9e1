/**
 * Operands and results of parts: how elements are read and written, in WGSL.
 *
 * @module
 */
import type { DType } from "../../src/core/dtype.ts";
import { OutriderError } from "../../src/core/errors.ts";
import type { BindingSpec, OperandSpec, ResultSpec, WordType } from "./dispatch.ts";
import type { Operand, Result, Words } from "./shader.ts";

/** How a value of a computed type is held in WGSL. */
export function heldType(type: DType): "f32" | "i32" {
  return type === "f32" ? "f32" : "i32";
}

function converted(expression: string, from: WordType, to: WordType): string {
  return from === to ? expression : `bitcast<${to}>(${expression})`;
}

function wordsOf(binding: number, type: WordType): Words {
  return {
    u32: (index) => converted(`b${binding}[${index}]`, type, "u32"),
    f32: (index) => converted(`b${binding}[${index}]`, type, "f32"),
  };
}

function boundAt(
  bindings: readonly BindingSpec[],
  binding: number,
  type: DType,
): Operand {
  const declared = bindings[binding].type;
  return {
    type,
    at: (index) => converted(`b${binding}[${index}]`, declared, heldType(type)),
    words: wordsOf(binding, declared),
  };
}

/** The operand of a spec. */
export function operandOf(
  spec: OperandSpec,
  bindings: readonly BindingSpec[],
  type: DType,
): Operand {
  if (spec.from === "binding") return boundAt(bindings, spec.binding, type);
  throw new OutriderError("a bound operand", "a computed one", "bind it");
}

/** The result of a spec. */
export function resultOf(
  spec: ResultSpec,
  bindings: readonly BindingSpec[],
  type: DType,
): Result {
  if (spec.to !== "binding") throw new OutriderError("a bound result", "a computed one", "bind it");
  const { binding } = spec;
  const declared = bindings[binding].type;
  return {
    ...boundAt(bindings, binding, type),
    store: (index, value) =>
      `b${binding}[${index}] = ${converted(value, heldType(type), declared)};`,
  };
}
