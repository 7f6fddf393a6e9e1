/**
 * Shape and type rules that are longer than a few lines, and what all rules are written with.
 *
 * @module
 */
import { type DType, type ElementType, isPacked } from "./dtype.ts";
import { OutriderError } from "./errors.ts";
import { HALF_BLOCK } from "./half_layout.ts";
import { sameShape, type Shape, shapeText } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** What a rule gives. */
export interface Inferred {
  readonly shape: Shape;
  readonly type: ElementType;
}

/** Refuses operands. */
export function fail(operation: string, expected: string, inputs: readonly Tensor[]): never {
  const found = inputs.map((t) => `${t.type}${shapeText(t.shape)}`).join(", ");
  throw new OutriderError(
    `${operation} of ${expected}`,
    found,
    "check the operands' shapes and types",
  );
}

/** The type of an operand that is computed with. */
export function computed(operation: string, tensor: Tensor): DType {
  if (isPacked(tensor.type)) fail(operation, "a computed type (dequantize it first)", [tensor]);
  return tensor.type;
}

/** True for keys or values [slots, groups, d] in f32, or in halves [slots, groups, d / 2]. */
function isStoredAs(table: Tensor, type: ElementType, width: number): boolean {
  const stored = table.shape[2];
  if (type === "f32") return table.type === "f32" && stored === width;
  return table.type === "i32" && 2 * stored === width && width % HALF_BLOCK === 0;
}

/** The rule of attention. */
export function attentionShape(inputs: readonly Tensor[]): Inferred {
  const [query, key, value, start, end, extra] = inputs;
  const [rows, heads, width] = query.shape;
  const [, groups] = key.shape;
  const fits = query.shape.length === 3 && key.shape.length === 3 &&
    sameShape(key.shape, value.shape) && heads % groups === 0 && query.type === "f32" &&
    [key, value].every((t) => isStoredAs(t, key.type, width)) &&
    [start, end].every((t) => t.type === "i32" && sameShape(t.shape, [rows])) &&
    (extra === undefined ||
      (extra.type === "i32" && extra.shape.length === 2 && extra.shape[0] === rows));
  if (!fits) {
    fail(
      "attention",
      "query [rows, heads, d], key and value [slots, groups, d] (or both as i32 halves " +
        `[slots, groups, d / 2] with d a multiple of ${HALF_BLOCK}), start and end [rows], extra [rows, n]`,
      inputs,
    );
  }
  return { shape: query.shape, type: "f32" };
}

/** The rule of a scalar with given gradients. */
export function withGradientsShape(inputs: readonly Tensor[]): Inferred {
  const [value, ...rest] = inputs;
  const count = rest.length / 2;
  const fits = value.type === "f32" && value.shape.length === 0 && Number.isInteger(count) &&
    rest.every((t) => t.type === "f32") &&
    rest.slice(0, count).every((t, i) => sameShape(t.shape, rest[count + i].shape));
  if (!fits) fail("withGradients", "an f32 scalar and gradients like their variables", inputs);
  return { shape: [], type: "f32" };
}
