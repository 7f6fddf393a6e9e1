/**
 * Shape and type rules that are longer than a few lines, and what all rules are written with.
 *
 * @module
 */
import { type DType, type ElementType, isPacked } from "./dtype.ts";
import { OutriderError } from "./errors.ts";
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

/** The rule of attention. */
export function attentionShape(inputs: readonly Tensor[]): Inferred {
  const [query, key, value, start, end, extra] = inputs;
  const [rows, heads, width] = query.shape;
  const [, groups] = key.shape;
  const fits = query.shape.length === 3 && key.shape.length === 3 &&
    sameShape(key.shape, value.shape) && key.shape[2] === width && heads % groups === 0 &&
    [query, key, value].every((t) => t.type === "f32") &&
    [start, end].every((t) => t.type === "i32" && sameShape(t.shape, [rows])) &&
    (extra === undefined ||
      (extra.type === "i32" && extra.shape.length === 2 && extra.shape[0] === rows));
  if (!fits) {
    fail(
      "attention",
      "query [rows, heads, d], key and value [slots, groups, d], start and end [rows], extra [rows, n]",
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
