/** Attentions for tests of kernels: sizes, drawn operands, and what they give in plain loops. */
import { numbersToHalves } from "../../src/core/half_float.ts";
import type {
  AttentionOperand,
  AttentionSpec,
  AttentionStorage,
} from "../../src/plan/kernel_spec.ts";
import { randomFloats, randomIntegers } from "./run_kernel.ts";

/** An attention but for its storage. */
export type Sizes = Omit<AttentionSpec, "family" | "storage">;

/** The operands of attention and of its gradients. */
export interface Inputs {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly start: Int32Array;
  readonly end: Int32Array;
  readonly extra: Int32Array;
  readonly dOut: Float32Array;
}

/** Operands drawn by seed. */
export function inputsOf(spec: Sizes, seed: number): Inputs {
  const rowCount = spec.rows * spec.heads * spec.headWidth;
  const slotCount = spec.slots * spec.keyValueHeads * spec.headWidth;
  const start = randomIntegers(seed + 4, spec.rows, 0, spec.slots + 1);
  return {
    query: randomFloats(seed, rowCount),
    key: randomFloats(seed + 1, slotCount),
    value: randomFloats(seed + 2, slotCount),
    start,
    end: randomIntegers(seed + 5, spec.rows, 0, spec.slots + 1),
    extra: randomIntegers(
      seed + 6,
      spec.rows * spec.extras,
      spec.slots === 0 ? -2 : -1,
      spec.slots,
    ),
    dOut: randomFloats(seed + 3, rowCount),
  };
}

/** Rows as words of two halves, block by block. */
export function wordsOf(values: Float32Array): Int32Array {
  const halves = numbersToHalves(values);
  return Int32Array.from({ length: values.length / 2 }, (_, word) => {
    const element = 8 * Math.floor(word / 4) + word % 4;
    return halves[element + 4] << 16 | halves[element];
  });
}

/** The arguments of attention's kernels but for the output. */
export function argumentsOf(
  spec: Sizes,
  inputs: Inputs,
  storage: AttentionStorage = "f32",
): (Float32Array | Int32Array)[] {
  const { query, key, value, start, end, extra } = inputs;
  const stored = [key, value].map((table) => storage === "f16" ? wordsOf(table) : table);
  return [query, ...stored, start, end, ...(spec.extras > 0 ? [extra] : [])];
}

function slotsOf(spec: Sizes, { start, end, extra }: Inputs, row: number): number[] {
  const range = Math.max(0, end[row] - start[row]);
  const extras = [...extra.subarray(row * spec.extras, (row + 1) * spec.extras)];
  return [
    ...Array.from({ length: range }, (_, i) => start[row] + i),
    ...extras.filter((slot) => slot >= 0),
  ];
}

/** Output and all gradients in doubles. */
export function reference(
  spec: Sizes,
  inputs: Inputs,
): { out: number[] } & Record<AttentionOperand, number[]> {
  const { headWidth: width, heads, keyValueHeads, scale } = spec;
  const zeros = (array: ArrayLike<number>): number[] => Array.from(array, () => 0);
  const result = {
    out: zeros(inputs.query),
    query: zeros(inputs.query),
    key: zeros(inputs.key),
    value: zeros(inputs.value),
  };
  for (let row = 0; row < spec.rows; row++) {
    const slots = slotsOf(spec, inputs, row);
    for (let head = 0; head < heads; head++) {
      const q = (row * heads + head) * width;
      const group = Math.floor(head / (heads / keyValueHeads));
      const at = (slot: number): number => (slot * keyValueHeads + group) * width;
      const dot = (a: Float32Array, x: number, b: Float32Array, y: number): number =>
        Array.from({ length: width }, (_, d) => a[x + d] * b[y + d]).reduce((s, v) => s + v, 0);
      const scores = slots.map((slot) => scale * dot(inputs.query, q, inputs.key, at(slot)));
      const largest = Math.max(...scores);
      const powers = scores.map((score) => Math.exp(score - largest));
      const sum = powers.reduce((s, v) => s + v, 0);
      const p = powers.map((power) => power / sum);
      const dP = slots.map((slot) => dot(inputs.dOut, q, inputs.value, at(slot)));
      const mean = p.reduce((s, v, i) => s + v * dP[i], 0);
      slots.forEach((slot, i) => {
        const dS = p[i] * (dP[i] - mean) * scale;
        for (let d = 0; d < width; d++) {
          result.out[q + d] += p[i] * inputs.value[at(slot) + d];
          result.query[q + d] += dS * inputs.key[at(slot) + d];
          result.key[at(slot) + d] += dS * inputs.query[q + d];
          result.value[at(slot) + d] += p[i] * inputs.dOut[q + d];
        }
      });
    }
  }
  return result;
}

/** Sizes of all kinds. */
export const SIZES: Sizes[] = [
  { rows: 1, slots: 1, heads: 1, keyValueHeads: 1, headWidth: 1, extras: 0, scale: 1 },
  { rows: 5, slots: 9, heads: 4, keyValueHeads: 2, headWidth: 8, extras: 0, scale: 0.35 },
  { rows: 4, slots: 23, heads: 3, keyValueHeads: 1, headWidth: 7, extras: 5, scale: 0.4 },
  { rows: 3, slots: 40, heads: 6, keyValueHeads: 3, headWidth: 40, extras: 2, scale: 0.2 },
  { rows: 7, slots: 5, heads: 2, keyValueHeads: 2, headWidth: 64, extras: 0, scale: 0.125 },
  { rows: 2, slots: 0, heads: 2, keyValueHeads: 1, headWidth: 4, extras: 1, scale: 1 },
  { rows: 0, slots: 4, heads: 2, keyValueHeads: 1, headWidth: 4, extras: 0, scale: 1 },
  { rows: 3, slots: 400, heads: 4, keyValueHeads: 1, headWidth: 6, extras: 0, scale: 0.6 },
  { rows: 4, slots: 270, heads: 4, keyValueHeads: 2, headWidth: 8, extras: 9, scale: 0.5 },
  { rows: 3, slots: 300, heads: 5, keyValueHeads: 1, headWidth: 64, extras: 4, scale: 0.125 },
  { rows: 2, slots: 30, heads: 4, keyValueHeads: 2, headWidth: 72, extras: 1, scale: 0.1 },
  { rows: 2, slots: 11, heads: 2, keyValueHeads: 1, headWidth: 66, extras: 0, scale: 0.1 },
];

/** A narrow head and a wide one, whose products are summed in other chains. */
export const WIDTHS: readonly Sizes[] = [SIZES[3], { ...SIZES[3], headWidth: 64 }];

/** Every storage of keys and values. */
export const STORAGES: readonly AttentionStorage[] = ["f32", "f16"];

/** Sizes that keys and values can be stored in halves for. */
export const HALF_SIZES = SIZES.filter(({ headWidth }) => headWidth % 8 === 0);
