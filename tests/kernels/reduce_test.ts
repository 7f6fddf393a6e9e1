import type { Access, Instruction, ReduceSpec } from "../../src/plan/kernel_spec.ts";
import { indicesOf, referenceReduce } from "./elementwise_reference.ts";
import {
  assertClose,
  assertSameBits,
  FEATURE_SETS,
  kernelRunner,
  randomFloats,
  randomIntegers,
  SPLITS,
} from "./run_kernel.ts";

const SQUARE: Instruction[] = [
  { op: "load", access: 0, type: "f32" },
  { op: "mul", args: [0, 0], type: "f32" },
];
const PLAIN: Instruction[] = [{ op: "load", access: 0, type: "f32" }];

/** Row-major strides of a shape whose axes lie in memory in the order `axes`. */
function stridesOf(shape: readonly number[], axes: readonly number[]): number[] {
  const strides = shape.map(() => 0);
  let step = 1;
  for (const axis of [...axes].reverse()) {
    strides[axis] = step;
    step *= shape[axis];
  }
  return strides;
}

function outputAccess(shape: readonly number[], reduced: number, type: Access["type"]): Access {
  const kept = shape.slice(0, shape.length - reduced);
  return { type, strides: stridesOf(kept, kept.map((_, axis) => axis)), offset: 0 };
}

const ORDERS = [[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1]];
const SHAPES = [[1, 1, 1], [2, 3, 5], [3, 1, 17], [5, 16, 4], [17, 2, 33], [2, 4, 0], [0, 3, 2], [
  1,
  19,
  130,
]];

Deno.test("sum, max and argmax equal naive loops for every order of axes, in any split", () => {
  for (const shape of SHAPES) {
    for (const order of ORDERS) {
      for (const combine of ["sum", "max", "argmax"] as const) {
        for (const reduced of combine === "argmax" ? [1] : [1, 2, 3]) {
          if (combine === "argmax" && shape[2] === 0) continue;
          const type = combine === "argmax" ? "i32" : "f32";
          const spec: ReduceSpec = {
            family: "reduce",
            ...{ shape, reduced, combine },
            inputs: [{ type: "f32", strides: stridesOf(shape, order), offset: 2 }],
            output: outputAccess(shape, reduced, type),
            body: SQUARE,
          };
          const count = shape.reduce((a, b) => a * b, 1);
          const input = randomFloats(count, count + 2);
          const kept = [...indicesOf(shape.slice(0, 3 - reduced))].length;
          const expected = type === "i32" ? new Int32Array(kept) : new Float32Array(kept);
          referenceReduce(spec, [input], expected);
          const run = kernelRunner(spec, FEATURE_SETS[0]);
          const whole = expected.slice().fill(-9);
          run([input, whole]);
          assertClose(whole, expected, combine === "sum" ? 1e-5 : 0, JSON.stringify(spec));
          for (const split of SPLITS) {
            const out = expected.slice().fill(-9);
            run([input, out], split);
            assertSameBits(out, whole, `${split} ${JSON.stringify(spec)}`);
          }
        }
      }
    }
  }
});

Deno.test("argmax gives the first of equal values, and 0 where all are -Infinity", () => {
  const [features] = FEATURE_SETS;
  for (const width of [1, 3, 4, 5, 16, 37]) {
    for (const strides of [[width, 1], [1, 8]]) {
      const spec: ReduceSpec = {
        family: "reduce",
        shape: [8, width],
        reduced: 1,
        combine: "argmax",
        inputs: [{ type: "f32", strides, offset: 0 }],
        output: { type: "i32", strides: [1], offset: 0 },
        body: PLAIN,
      };
      const input = Float32Array.from(randomIntegers(width, 8 * width, 0, 3));
      for (let i = 0; i < width; i++) input[i * strides[1]] = -Infinity;
      const expected = new Int32Array(8);
      referenceReduce(spec, [input], expected);
      const out = new Int32Array(8).fill(-1);
      kernelRunner(spec, features)([input, out]);
      assertSameBits(out, expected, `${width} ${strides}`);
    }
  }
});

Deno.test("integers and bools are summed and compared exactly; the empty max is -Infinity", () => {
  const [features] = FEATURE_SETS;
  const input = randomIntegers(4, 3 * 21, -9, 9);
  for (const combine of ["sum", "max", "argmax"] as const) {
    const spec: ReduceSpec = {
      family: "reduce",
      shape: [3, 21],
      reduced: 1,
      combine,
      inputs: [{ type: "i32", strides: [21, 1], offset: 0 }],
      output: { type: "i32", strides: [1], offset: 0 },
      body: [{ op: "load", access: 0, type: "i32" }],
    };
    const expected = new Int32Array(3);
    referenceReduce(spec, [input], expected);
    const out = new Int32Array(3);
    kernelRunner(spec, features)([input, out]);
    assertSameBits(out, expected, combine);
  }
  const empty: ReduceSpec = {
    family: "reduce",
    shape: [2, 0],
    reduced: 1,
    combine: "max",
    inputs: [{ type: "f32", strides: [0, 1], offset: 0 }],
    output: { type: "f32", strides: [1], offset: 0 },
    body: PLAIN,
  };
  const out = new Float32Array(2);
  kernelRunner(empty, features)([new Float32Array(1), out]);
  assertSameBits(out, Float32Array.of(-Infinity, -Infinity), "empty max");
});

Deno.test("the sum of a row has the same bits alone and among 1 to 16 rows", () => {
  for (const features of FEATURE_SETS) {
    for (const width of [1, 7, 16, 130, 577]) {
      for (const transposed of [false, true]) {
        const input = randomFloats(width, 16 * width);
        const sumsOf = (first: number, rows: number): Float32Array => {
          const spec: ReduceSpec = {
            family: "reduce",
            shape: [rows, width],
            reduced: 1,
            combine: "sum",
            inputs: [{
              type: "f32",
              strides: transposed ? [1, 16] : [width, 1],
              offset: transposed ? first : first * width,
            }],
            output: { type: "f32", strides: [1], offset: 0 },
            body: SQUARE,
          };
          const out = new Float32Array(rows);
          kernelRunner(spec, features)([input, out]);
          return out;
        };
        const alone = Array.from({ length: 16 }, (_, row) => sumsOf(row, 1)[0]);
        for (let rows = 1; rows <= 16; rows++) {
          assertSameBits(sumsOf(0, rows), Float32Array.from(alone.slice(0, rows)), `${rows} rows`);
        }
      }
    }
  }
});

Deno.test("sums and largest values have the same bits for joined vectors and for others", () => {
  const below: Instruction[] = [
    { op: "load", access: 0, type: "f32" },
    { op: "load", access: 1, type: "f32" },
    { op: "sub", args: [0, 1], type: "f32" },
    { op: "exp", args: [2], type: "f32" },
  ];
  for (const columns of [3, 63, 64, 67, 80, 131]) {
    const input = randomFloats(columns, 5 * columns);
    const other = randomFloats(columns + 1, 5);
    for (const combine of ["sum", "max"] as const) {
      const spec: ReduceSpec = {
        family: "reduce",
        ...{ shape: [5, columns], reduced: 1, combine },
        inputs: [
          { type: "f32", strides: [columns, 1], offset: 0 },
          { type: "f32", strides: [1, 0], offset: 0 },
        ],
        output: { type: "f32", strides: [1], offset: 0 },
        body: below,
      };
      for (const features of FEATURE_SETS) {
        const [joined, apart] = (["joined", "apart"] as const).map((vectors) => {
          const out = new Float32Array(5).fill(NaN);
          kernelRunner(spec, { ...features, vectors })([input, other, out]);
          return out;
        });
        assertSameBits(joined, apart, `${combine} of ${columns}`);
      }
    }
  }
});
