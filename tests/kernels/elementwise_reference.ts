/** Elementwise bodies, maps and reductions by plain loops in doubles rounded to f32. */
import type { Access, Instruction, MapSpec, ReduceSpec } from "../../src/plan/kernel_spec.ts";
import type { Words } from "./run_kernel.ts";

type Evaluate = (args: number[], type: string) => number;

const saturate = (value: number): number =>
  Number.isNaN(value) ? 0 : Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.trunc(value)));

/** The binary16 number of 16 bits, by its fields. */
function halfOf(bits: number): number {
  const [exponent, fraction] = [bits >> 10 & 31, bits & 1023];
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction : 1024 + fraction) * 2 ** (Math.max(1, exponent) - 25);
}

/** The bits of the nearest binary16 number, ties to even. */
function bitsOfHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = Object.is(Math.sign(value), -0) || value < 0 ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  const unit = 2 ** (Math.max(-14, Math.floor(Math.log2(magnitude))) - 10);
  const units = Math.floor(magnitude / unit);
  const rest = magnitude / unit - units;
  const rounded = units + (rest > 0.5 || rest === 0.5 && units % 2 === 1 ? 1 : 0);
  return sign | Math.round(Math.log2(unit) + 24) * 1024 + rounded;
}

const OPERATIONS: { readonly [op: string]: Evaluate } = {
  neg: ([a]) => -a,
  abs: ([a]) => Math.abs(a),
  exp: ([a]) => Math.exp(a),
  log: ([a]) => Math.log(a),
  sqrt: ([a]) => Math.sqrt(a),
  sin: ([a]) => Math.sin(a),
  cos: ([a]) => Math.cos(a),
  tanh: ([a]) => Math.tanh(a),
  floor: ([a]) => Math.floor(a),
  lowHalf: ([word]) => halfOf(word),
  highHalf: ([word]) => halfOf(word >>> 16),
  not: ([a]) => a === 0 ? 1 : 0,
  add: ([a, b]) => a + b,
  sub: ([a, b]) => a - b,
  mul: ([a, b], type) => type === "f32" ? a * b : Math.imul(a, b),
  div: ([a, b]) => a / b,
  max: ([a, b]) => Math.max(a, b),
  min: ([a, b]) => Math.min(a, b),
  less: ([a, b]) => a < b ? 1 : 0,
  equal: ([a, b]) => a === b ? 1 : 0,
  packHalves: ([low, high]) => bitsOfHalf(high) << 16 | bitsOfHalf(low),
  and: ([a, b]) => a !== 0 && b !== 0 ? 1 : 0,
  or: ([a, b]) => a !== 0 || b !== 0 ? 1 : 0,
  where: ([condition, a, b]) => condition !== 0 ? a : b,
};

function rounded(value: number, type: string): number {
  if (type === "f32") return Math.fround(value);
  return type === "i32" ? value | 0 : value;
}

function castTo(value: number, type: string): number {
  if (type === "bool") return value === 0 ? 0 : 1;
  return type === "i32" ? saturate(value) : value;
}

function offsetOf(access: Access, index: readonly number[]): number {
  return access.strides.reduce((sum, stride, axis) => sum + stride * index[axis], access.offset);
}

/** Every index of a shape, in row-major order. */
export function* indicesOf(shape: readonly number[]): Generator<number[]> {
  const count = shape.reduce((a, b) => a * b, 1);
  for (let i = 0; i < count; i++) {
    const index: number[] = [];
    let rest = i;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index.unshift(rest % shape[axis]);
      rest = Math.floor(rest / shape[axis]);
    }
    yield index;
  }
}

/** The value of a body at one index. */
export function bodyAt(
  body: readonly Instruction[],
  inputs: readonly Access[],
  arrays: readonly Words[],
  index: readonly number[],
): number {
  const values: number[] = [];
  for (const step of body) {
    if (step.op === "load") {
      values.push(arrays[step.access][offsetOf(inputs[step.access], index)]);
    } else if (step.op === "constant") values.push(rounded(step.value, step.type));
    else if (step.op === "iota") values.push(index[step.axis]);
    else {
      const args = step.args.map((i) => values[i]);
      const value = step.op === "cast"
        ? castTo(args[0], step.type)
        : OPERATIONS[step.op](args, step.type);
      values.push(rounded(value, step.type));
    }
  }
  return values[values.length - 1];
}

/** What a map writes into `output`. */
export function referenceMap(spec: MapSpec, arrays: readonly Words[], output: Words): void {
  for (const index of indicesOf(spec.shape)) {
    output[offsetOf(spec.output, index)] = bodyAt(spec.body, spec.inputs, arrays, index);
  }
}

/** What a reduction writes into `output`; sums are taken in doubles. */
export function referenceReduce(spec: ReduceSpec, arrays: readonly Words[], output: Words): void {
  const kept = spec.shape.length - spec.reduced;
  for (const outer of indicesOf(spec.shape.slice(0, kept))) {
    let sum = 0;
    let largest = -Infinity;
    let place = 0;
    for (const inner of indicesOf(spec.shape.slice(kept))) {
      const value = bodyAt(spec.body, spec.inputs, arrays, [...outer, ...inner]);
      sum += value;
      if (value > largest) place = inner[inner.length - 1];
      largest = Math.max(largest, value);
    }
    const result = { sum, max: largest, argmax: place }[spec.combine];
    output[offsetOf(spec.output, outer)] = result;
  }
}
