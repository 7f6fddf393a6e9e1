/**
 * What a conformance case is, and the awkward shapes and views that cases are made of.
 */
import * as core from "../../src/core/mod.ts";
import type { DType, HostTensor, Shape, Tensor } from "../../src/core/mod.ts";

/** How far a result may be from the reference: |error| <= relative * |expected| + floor. */
export interface Tolerance {
  readonly relative: number;
  readonly floor: number;
}

/** Equal numbers: integers, truth values, and elements that only move. */
export const EXACT: Tolerance = { relative: 0, floor: 0 };

/** A graph over given inputs. */
export interface Case {
  readonly label: string;
  readonly inputs: readonly HostTensor[];
  readonly f: (...inputs: Tensor[]) => Tensor;
  /** Tells why the gradient is not compared, where it is not. */
  readonly noGradient?: string;
  /** Where the case needs another tolerance than its operation's. */
  readonly tolerance?: Tolerance;
}

/** All cases of one operation. */
export interface OpCases {
  readonly tolerance: Tolerance;
  readonly cases: readonly Case[];
}

/** Nothing, one, odd, a vector's width and one more, and more than a tile. */
export const SIZES = [0, 1, 3, 7, 17, 64, 65, 130] as const;

/** Where numbers are drawn from. */
export type Draw = (size: number, seed: number) => core.HostArray;

/** Standard normal numbers. */
export function normal(size: number, seed: number): Float32Array {
  return core.normals(core.keyOf(seed), size);
}

/** Between 0.25 and 4: where division, log and sqrt are tame. */
export function positive(size: number, seed: number): Float32Array {
  return normal(size, seed).map((x) => 2 ** Math.max(-2, Math.min(2, x)));
}

/** Small whole numbers of both signs, zero among them. */
export function whole(size: number, seed: number): Int32Array {
  return Int32Array.from(normal(size, seed), (x) => Math.round(2 * x));
}

/** Whole numbers over the full range of 32 bits, whose sums and products wrap. */
export function wrapping(size: number, seed: number): Int32Array {
  return Int32Array.from(
    { length: size },
    (_, i) => core.threefry(core.keyOf(seed), i, 0)[0] | 0,
  );
}

/** 0 and 1. */
export function truth(size: number, seed: number): Int32Array {
  return whole(size, seed).map((x) => x & 1);
}

/** A host tensor of drawn numbers. */
export function drawn(shape: Shape, draw: Draw, seed: number): HostTensor {
  return core.hostTensor(draw(core.sizeOf(shape), seed), shape);
}

/** Integers as an operand of the wanted type: truth values are uploaded as 0 and 1. */
export function typed(x: Tensor, type: DType): Tensor {
  return core.cast(x, type);
}

/** A way to see a stored array as an operand of a given shape. */
export interface View {
  readonly label: string;
  /** The shape that is stored. */
  readonly stored: (shape: Shape) => Shape;
  /** The operand made of it. */
  readonly seen: (x: Tensor, shape: Shape) => Tensor;
}

const reversed = (shape: Shape): number[] => shape.map((_, axis) => shape.length - 1 - axis);
const backwards = (shape: Shape): Shape => [...shape].reverse();
const enlarged = (shape: Shape): Shape => shape.map((size, axis) => size + 2 + axis);
const inside = (x: Tensor, shape: Shape): Tensor =>
  core.slice(x, shape.map((_, axis) => axis + 1), shape);

/** The operand as it is stored. */
export const PLAIN: View = { label: "plain", stored: (shape) => shape, seen: (x) => x };

/** Operands whose elements do not lie one after another. */
export const VIEWS: readonly View[] = [
  {
    label: "transposed",
    stored: backwards,
    seen: (x, shape) => core.permute(x, reversed(shape)),
  },
  { label: "sliced", stored: enlarged, seen: inside },
  {
    label: "sliced and transposed",
    stored: (shape) => enlarged(backwards(shape)),
    seen: (x, shape) => core.permute(inside(x, backwards(shape)), reversed(shape)),
  },
  {
    label: "one row repeated",
    stored: (shape) => shape.map((size, axis) => axis === 0 ? 1 : size),
    seen: (x, shape) => core.broadcastTo(x, shape),
  },
  {
    label: "one column repeated",
    stored: (shape) => shape.map((size, axis) => axis === shape.length - 1 ? 1 : size),
    seen: (x, shape) => core.broadcastTo(x, shape),
  },
  { label: "one number", stored: () => [], seen: (x, shape) => core.broadcastTo(x, shape) },
  {
    label: "reshaped",
    stored: (shape) => [core.sizeOf(shape)],
    seen: (x, shape) => core.reshape(x, shape),
  },
  {
    label: "transposed and then reshaped",
    stored: (shape) => [shape[0], core.sizeOf(shape.slice(1))],
    seen: (x, shape) => core.reshape(core.transpose(x), shape),
  },
];

/** A drawn array and the operand that a view makes of it. */
export function viewed(
  view: View,
  shape: Shape,
  draw: Draw,
  seed: number,
): { readonly input: HostTensor; readonly operand: (x: Tensor) => Tensor } {
  return {
    input: drawn(view.stored(shape), draw, seed),
    operand: (x) => view.seen(x, shape),
  };
}
