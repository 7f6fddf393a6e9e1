/**
 * The value of attention and of its gradients, row by row and head by head.
 *
 * @module
 */
import type { AttentionAttributes, Attributes, Tensor } from "../../core/tensor.ts";
import { storedRows } from "../../core/half_layout.ts";
import type { NumberArray, Value } from "./value.ts";

interface Sizes {
  readonly rows: number;
  readonly slots: number;
  readonly heads: number;
  readonly groups: number;
  readonly width: number;
  readonly extras: number;
}

function sizesOf(operands: readonly Tensor[]): Sizes {
  const [query, key, , , , extra] = operands;
  const [rows, heads, width] = query.shape;
  const [slots, groups] = key.shape;
  return { rows, slots, heads, groups, width, extras: extra === undefined ? 0 : extra.shape[1] };
}

/** The slots that a row sees, in order: its window and then its extra slots. */
function slotsOf(row: number, sizes: Sizes, values: readonly Value[]): number[] {
  const [, , , start, end, extra] = values;
  const seen: number[] = [];
  for (let slot = start[row]; slot < end[row]; slot++) seen.push(slot);
  for (let i = 0; i < sizes.extras; i++) seen.push(extra[row * sizes.extras + i]);
  return seen.filter((slot) => slot >= 0 && slot < sizes.slots);
}

function dot(a: Value, aAt: number, b: Value, bAt: number, length: number): number {
  let total = 0;
  for (let i = 0; i < length; i++) total += a[aAt + i] * b[bAt + i];
  return total;
}

/** The softmax of scale * (query . key) over the seen slots. */
function probabilities(
  values: readonly Value[],
  queryAt: number,
  keysAt: readonly number[],
  width: number,
  scale: number,
): number[] {
  const scores = keysAt.map((at) => scale * dot(values[0], queryAt, values[1], at, width));
  const peak = Math.max(...scores);
  const grown = scores.map((score) => Math.exp(score - peak));
  const total = grown.reduce((sum, value) => sum + value, 0);
  return grown.map((value) => value / total);
}

/** One row and head of attention: where its query lies, and the slots it sees. */
interface Site {
  /** First element of the row's query (and result) for this head. */
  readonly at: number;
  /** First element of each seen slot's key (and value) for this head. */
  readonly slotsAt: readonly number[];
  /** Probability of each seen slot. */
  readonly chances: readonly number[];
}

function* sitesOf(
  sizes: Sizes,
  values: readonly Value[],
  scale: number,
): Generator<Site> {
  const { rows, heads, groups, width } = sizes;
  for (let row = 0; row < rows; row++) {
    const slots = slotsOf(row, sizes, values);
    for (let head = 0; head < heads; head++) {
      const at = (row * heads + head) * width;
      const group = Math.floor(head / (heads / groups));
      const slotsAt = slots.map((slot) => (slot * groups + group) * width);
      yield { at, slotsAt, chances: probabilities(values, at, slotsAt, width, scale) };
    }
  }
}

/** sum[at + i] += factor * x[from + i]. */
function addScaled(
  sum: Float64Array,
  at: number,
  factor: number,
  x: Value,
  from: number,
  width: number,
): void {
  for (let i = 0; i < width; i++) sum[at + i] += factor * x[from + i];
}

/** The numbers of a query, or of keys or values however they are stored. */
function numbersOf(value: Value): Value {
  return value instanceof Int32Array ? storedRows(value) : value;
}

/** attention(query, key, value, start, end, extra?); rows that see nothing are zero. */
export function evaluateAttention(
  { scale }: AttentionAttributes,
  operands: readonly Tensor[],
  values: readonly Value[],
  out: NumberArray,
): NumberArray {
  const sizes = sizesOf(operands);
  const read = values.map((value, i) => operands[i].shape.length === 3 ? numbersOf(value) : value);
  const sums = new Float64Array(out.length);
  for (const { at, slotsAt, chances } of sitesOf(sizes, read, scale)) {
    slotsAt.forEach((from, i) => addScaled(sums, at, chances[i], read[2], from, sizes.width));
  }
  out.set(sums);
  return out;
}

/** The gradient of attention for one operand; the last operand is the cotangent. */
export function evaluateAttentionGrad(
  { scale, operand }: Attributes["attentionGrad"],
  operands: readonly Tensor[],
  values: readonly Value[],
  out: NumberArray,
): NumberArray {
  const sizes = sizesOf(operands.slice(0, -1));
  const { width } = sizes;
  const [query, key, value] = values;
  const cotangent = values[values.length - 1];
  const sums = new Float64Array(out.length);
  for (const { at, slotsAt, chances } of sitesOf(sizes, values, scale)) {
    const rewards = slotsAt.map((from) => dot(cotangent, at, value, from, width));
    const mean = rewards.reduce((total, reward, i) => total + chances[i] * reward, 0);
    slotsAt.forEach((slotAt, i) => {
      const grad = scale * chances[i] * (rewards[i] - mean);
      if (operand === "query") addScaled(sums, at, grad, key, slotAt, width);
      else if (operand === "key") addScaled(sums, slotAt, grad, query, at, width);
      else addScaled(sums, slotAt, chances[i], cotangent, at, width);
    });
  }
  out.set(sums);
  return out;
}
