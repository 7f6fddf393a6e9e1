import { assertEquals } from "@std/assert";
import type { Access, Instruction, MapSpec } from "../../src/plan/kernel_spec.ts";
import type { BinaryName, UnaryName } from "../../src/core/elementwise.ts";
import { halfToNumber } from "../../src/core/half_float.ts";
import { referenceMap } from "./elementwise_reference.ts";
import {
  assertClose,
  assertSameBits,
  FEATURE_SETS,
  kernelRunner,
  randomFloats,
  randomIntegers,
  SPLITS,
} from "./run_kernel.ts";

type DType = Access["type"];

function contiguous(shape: readonly number[], type: DType): Access {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  return { type, strides, offset: 0 };
}

/** A map over a line of elements. */
function lineMap(count: number, types: readonly DType[], body: Instruction[]): MapSpec {
  const shape = [count];
  return {
    family: "map",
    shape,
    inputs: types.map((type) => contiguous(shape, type)),
    output: contiguous(shape, body[body.length - 1].type),
    body,
  };
}

const SPECIAL = Float32Array.of(
  ...[0, -0, 1, -1, 0.5, -2.5, Infinity, -Infinity, NaN, 1e-42, 3e38, -3e38, 88.7, 89.5, -87.4],
  ...[-103.5, -105, 1e-38, 2 ** 31, -(2 ** 31), 2.5e9, 7.999, 1 + 2 ** -23, 1 - 2 ** -24, 1e4],
);

function allOf(
  name: UnaryName,
  input: Float32Array,
  relaxedMadd: "present" | "absent",
): Float32Array {
  const body: Instruction[] = [
    { op: "load", access: 0, type: "f32" },
    { op: name, args: [0], type: "f32" },
  ];
  const out = new Float32Array(input.length);
  kernelRunner(lineMap(input.length, ["f32"], body), {
    relaxedMadd,
    byteDot: "saturating",
    vectors: "apart",
    memory: "unshared",
  })([
    input,
    out,
  ]);
  return out;
}

/** Distance in units in the last place of the expected f32. */
function ulps(actual: number, expected: number): number {
  const rounded = Math.fround(expected);
  if (Object.is(actual, rounded) || (Number.isNaN(actual) && Number.isNaN(rounded))) return 0;
  if (!Number.isFinite(actual) || !Number.isFinite(rounded)) {
    return actual === rounded ? 0 : Infinity;
  }
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(rounded) || 2 ** -126)));
  return Math.abs(actual - expected) / 2 ** (exponent - 23);
}

for (const features of FEATURE_SETS) {
  const { relaxedMadd } = features;
  const label = `fused multiply-add ${relaxedMadd}`;

  Deno.test(`exp, log and tanh are good to 3 units in the last place, ${label}`, () => {
    const line = (lo: number, hi: number): Float32Array =>
      Float32Array.from({ length: 20001 }, (_, i) => lo + (hi - lo) * i / 20000);
    const powers = Float32Array.from({ length: 20001 }, (_, i) => 2 ** (-148 + 275 * i / 20000));
    const cases = [
      ["exp", Math.exp, [line(-104, 89), line(-1, 1), SPECIAL]],
      ["log", Math.log, [powers, line(0.5, 2), SPECIAL]],
      ["tanh", Math.tanh, [line(-10, 10), line(-0.7, 0.7), SPECIAL]],
    ] as const;
    for (const [name, exact, inputs] of cases) {
      for (const input of inputs) {
        const out = allOf(name, input, relaxedMadd);
        input.forEach((x, i) => {
          const off = ulps(out[i], exact(x));
          if (!(off <= 3)) throw new Error(`${name}(${x}) is ${out[i]}, ${off} ulp off`);
        });
      }
    }
  });

  Deno.test(`sin and cos are good to 1e-6 for angles up to 10,000, ${label}`, () => {
    const angles = Float32Array.from({ length: 40001 }, (_, i) => -1e4 + 2e4 * i / 40000);
    const near = Float32Array.from({ length: 8001 }, (_, i) => -8 + 16 * i / 8000);
    for (const input of [angles, near]) {
      for (const [name, exact] of [["sin", Math.sin], ["cos", Math.cos]] as const) {
        const out = allOf(name, input, relaxedMadd);
        input.forEach((x, i) => {
          const off = Math.abs(out[i] - exact(x));
          if (!(off <= 1e-6)) throw new Error(`${name}(${x}) is ${out[i]}, ${off} off`);
        });
      }
    }
    for (const name of ["sin", "cos"] as const) {
      const wild = allOf(name, Float32Array.of(1e9, -3e38, Infinity, NaN), relaxedMadd);
      if (!(Math.abs(wild[0]) <= 1.01 && Math.abs(wild[1]) <= 1.01)) throw new Error(`${wild}`);
      if (!Number.isNaN(wild[2]) || !Number.isNaN(wild[3])) throw new Error(`${wild}`);
    }
  });

  Deno.test(`exact float operations agree with JavaScript on special values, ${label}`, () => {
    const names: UnaryName[] = ["neg", "abs", "sqrt", "floor"];
    for (const name of names) {
      const spec = lineMap(SPECIAL.length, ["f32"], [
        { op: "load", access: 0, type: "f32" },
        { op: name, args: [0], type: "f32" },
      ]);
      const expected = new Float32Array(SPECIAL.length);
      referenceMap(spec, [SPECIAL], expected);
      assertClose(allOf(name, SPECIAL, relaxedMadd), expected, 0, name);
    }
    const pairs = SPECIAL.length ** 2;
    const a = Float32Array.from({ length: pairs }, (_, i) => SPECIAL[i % SPECIAL.length]);
    const b = Float32Array.from(
      { length: pairs },
      (_, i) => SPECIAL[Math.floor(i / SPECIAL.length)],
    );
    const binaries: BinaryName[] = ["add", "sub", "mul", "div", "max", "min", "less", "equal"];
    for (const name of binaries) {
      const type = name === "less" || name === "equal" ? "bool" : "f32";
      const spec = lineMap(pairs, ["f32", "f32"], [
        { op: "load", access: 0, type: "f32" },
        { op: "load", access: 1, type: "f32" },
        { op: name, args: [0, 1], type },
      ]);
      const expected = type === "bool" ? new Int32Array(pairs) : new Float32Array(pairs);
      const out = expected.slice();
      referenceMap(spec, [a, b], expected);
      kernelRunner(spec, features)([a, b, out]);
      assertClose(out, expected, 0, name);
    }
  });
}

/** Numbers around every binary16 number, and halfway to the next. */
function aroundHalves(): Float32Array {
  return Float32Array.from({ length: 4 * 65536 }, (_, i) => {
    const half = halfToNumber(i >> 2);
    const next = halfToNumber((i >> 2) + 1);
    return [half, (half + next) / 2, half * (1 + 2 ** -20), half + (next - half) * 0.499][i & 3];
  });
}

Deno.test("halves are unpacked exactly, and packed to the nearest with ties to even", () => {
  const [features] = FEATURE_SETS;
  const words = Int32Array.from({ length: 65536 }, (_, i) => i << 16 | i * 40503 & 0xffff);
  for (const op of ["lowHalf", "highHalf"] as const) {
    const spec = lineMap(words.length, ["i32"], [
      { op: "load", access: 0, type: "i32" },
      { op, args: [0], type: "f32" },
    ]);
    const [out, expected] = [0, 1].map(() => new Float32Array(words.length));
    referenceMap(spec, [words], expected);
    kernelRunner(spec, features)([words, out]);
    assertEquals(out, expected, op);
  }
  const low = Float32Array.from([...SPECIAL, ...aroundHalves()]);
  const high = low.toReversed();
  const spec = lineMap(low.length, ["f32", "f32"], [
    { op: "load", access: 0, type: "f32" },
    { op: "load", access: 1, type: "f32" },
    { op: "packHalves", args: [0, 1], type: "i32" },
  ]);
  const [out, expected] = [0, 1].map(() => new Int32Array(low.length));
  referenceMap(spec, [low, high], expected);
  kernelRunner(spec, features)([low, high, out]);
  assertEquals(out, expected);
});

Deno.test("integer, logical, where and cast operations agree with JavaScript", () => {
  const [features] = FEATURE_SETS;
  const count = 203;
  const edges = [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 65536, 46341];
  const a = Int32Array.from(randomIntegers(1, count, -50, 50), (x, i) => edges[i % 9] ?? x);
  const b = Int32Array.from(randomIntegers(2, count, -50, 50), (x, i) => edges[i % 11] ?? x);
  const f = Float32Array.from(randomFloats(3, count), (x, i) => SPECIAL[i] ?? x * 100);
  const load = (access: number, type: DType): Instruction => ({ op: "load", access, type });
  const bodies: Instruction[][] = [
    ...(["add", "sub", "mul", "max", "min"] as const).map((op): Instruction[] => [
      load(0, "i32"),
      load(1, "i32"),
      { op, args: [0, 1], type: "i32" },
    ]),
    ...(["neg", "abs"] as const).map((op): Instruction[] => [
      load(0, "i32"),
      { op, args: [0], type: "i32" },
    ]),
    ...(["and", "or", "equal"] as const).map((op): Instruction[] => [
      load(0, "i32"),
      load(1, "i32"),
      { op: "less", args: [0, 1], type: "bool" },
      { op: "equal", args: [0, 1], type: "bool" },
      { op: "not", args: [3], type: "bool" },
      { op, args: [2, 4], type: "bool" },
    ]),
    [
      load(0, "i32"),
      load(1, "i32"),
      load(2, "f32"),
      { op: "less", args: [0, 1], type: "bool" },
      { op: "constant", value: 0.1, type: "f32" },
      { op: "where", args: [3, 2, 4], type: "f32" },
    ],
    [load(2, "f32"), { op: "cast", args: [0], type: "i32" }],
    [load(2, "f32"), { op: "cast", args: [0], type: "bool" }],
    [load(0, "i32"), { op: "cast", args: [0], type: "f32" }],
    [load(0, "i32"), { op: "cast", args: [0], type: "bool" }],
    ...(["f32", "i32"] as const).map((type): Instruction[] => [
      load(2, "f32"),
      { op: "cast", args: [0], type: "bool" },
      { op: "cast", args: [1], type },
    ]),
    [{ op: "constant", value: 1, type: "bool" }],
    [load(0, "i32"), { op: "constant", value: -7, type: "i32" }, {
      op: "max",
      args: [0, 1],
      type: "i32",
    }],
  ];
  for (const body of bodies) {
    const spec = lineMap(count, ["i32", "i32", "f32"], body);
    const expected = spec.output.type === "f32" ? new Float32Array(count) : new Int32Array(count);
    const out = expected.slice();
    referenceMap(spec, [a, b, f], expected);
    kernelRunner(spec, features)([a, b, f, out]);
    assertClose(out, expected, 0, JSON.stringify(body));
  }
});

Deno.test("a stored bool is true whatever its bits are, and is written as 0 or 1", () => {
  const [features] = FEATURE_SETS;
  const spec = lineMap(5, ["bool"], [
    { op: "load", access: 0, type: "bool" },
    { op: "not", args: [0], type: "bool" },
    { op: "not", args: [1], type: "bool" },
  ]);
  const out = new Int32Array(5);
  kernelRunner(spec, features)([Int32Array.of(0, 1, -1, 7, 0), out]);
  assertSameBits(out, Int32Array.of(0, 1, 1, 1, 0), "bool");
});

Deno.test("a map follows any strides, offsets and broadcasts, in any split", () => {
  const body: Instruction[] = [
    { op: "load", access: 0, type: "f32" },
    { op: "load", access: 1, type: "f32" },
    { op: "mul", args: [0, 1], type: "f32" },
    { op: "iota", axis: 1, type: "i32" },
    { op: "cast", args: [3], type: "f32" },
    { op: "add", args: [2, 4], type: "f32" },
  ];
  const shapes = [
    [1, 1, 1],
    [2, 3, 4],
    [3, 5, 7],
    [4, 1, 9],
    [1, 2500, 1],
    [5, 2, 1030],
    [7, 3, 2],
    [0, 3, 2],
  ];
  for (const shape of shapes) {
    const [a, b, c] = shape;
    const accesses: Access[] = [
      contiguous(shape, "f32"),
      { type: "f32", strides: [1, a, a * b], offset: 2 },
      { type: "f32", strides: [c, 0, 1], offset: 1 },
      { type: "f32", strides: [0, 0, 0], offset: 5 },
      { type: "f32", strides: [0, 2, 2 * b], offset: 0 },
      { type: "f32", strides: [-b * c, -c, -1], offset: a * b * c },
    ];
    const outputs: Access[] = [
      contiguous(shape, "f32"),
      { type: "f32", strides: [3 * b * c, 3 * c, 3], offset: 1 },
      { type: "f32", strides: [1, a, a * b], offset: 4 },
    ];
    for (const first of accesses) {
      for (const second of accesses) {
        for (const output of outputs) {
          const spec: MapSpec = { family: "map", shape, inputs: [first, second], output, body };
          const x = randomFloats(1, 2 * a * b * c + 8);
          const y = randomFloats(2, 2 * a * b * c + 8);
          const expected = new Float32Array(3 * a * b * c + 8).fill(7);
          referenceMap(spec, [x, y], expected);
          const run = kernelRunner(spec, FEATURE_SETS[0]);
          for (const split of SPLITS) {
            const out = new Float32Array(expected.length).fill(7);
            run([x, y, out], split);
            assertSameBits(out, expected, JSON.stringify(spec));
          }
        }
      }
    }
  }
});
