/** Scores in chunks of rows: the value and the gradients of all rows at once, in less memory. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { DOUBLE, evaluateIn } from "../../src/backends/reference/mod.ts";
import {
  add,
  constant,
  grad,
  hostTensor,
  input,
  keyOf,
  linear,
  mul,
  normals,
  OutriderError,
  sin,
  sizeOf,
  sum,
  type Tensor,
  valueAndGradWith,
} from "../../src/core/mod.ts";
import {
  acceptance,
  atTemperature,
  crossEntropy,
  type DistillationLoss,
  isRowwise,
  logitsInChunks,
  losses,
  rowsWithTarget,
  type Scoring,
  tvd,
  wholeLogits,
} from "../../src/losses/mod.ts";
import { makePlan } from "../../src/plan/mod.ts";
import { compile, createDevice, read, upload } from "../../src/runtime/mod.ts";

const [ROWS, WIDTH, VOCABULARY, TEACHER] = [13, 6, 17, 4];

/** Hidden states and head of the draft and of the teacher, and which rows count. */
type Operands = readonly [Tensor, Tensor, Tensor, Tensor, Tensor];
const SHAPES = [[ROWS, WIDTH], [VOCABULARY, WIDTH], [ROWS, TEACHER], [VOCABULARY, TEACHER]];
const arrays = [...SHAPES.keys()].map((i) => normals(keyOf(i), sizeOf(SHAPES[i])));
const MASKS: Readonly<Record<string, (row: number) => number>> = {
  "all rows": () => 1,
  "some rows": (row) => row % 3 === 1 ? 0 : 1,
  "rows of unequal weight": (row) => row % 5 === 0 ? 0 : row / 4,
  "the rows of one chunk": (row) => row < 3 ? 1 : 0,
  "no row": () => 0,
};
const tokens = constant(Int32Array.of(3, 0, 16, 5, -1, 7, 17, 2, 2, 9, 11, -1, 4));

type Score = (scoring: Scoring, operands: Operands) => Tensor[];

/** Loss, gradients of hidden states and head, and the mean acceptance. */
function scored(loss: DistillationLoss): Score {
  return (scoring, [hidden, head, teacher, teacherHead, mask]) => {
    const made = valueAndGradWith((p: readonly [Tensor, Tensor]) =>
      scoring({ hidden: sin(p[0]), head: p[1] }, ({ logits, rowsOf, mean }) => {
        const target = linear(rowsOf(teacher), teacherHead);
        const distilled = mean(mask, (part) => loss(logits, target, part));
        const alpha = mean(mask, (part) => acceptance(logits, target, part));
        const counted = rowsWithTarget(tokens, mask, VOCABULARY);
        const text = mean(counted, (part) => crossEntropy(logits, rowsOf(tokens), part));
        return { value: add(distilled, mul(text, 0.25)), auxiliary: { alpha } };
      })
    )([hidden, head]);
    return [made.value, made.auxiliary.alpha, ...made.gradients];
  };
}

function evaluated(
  score: Score,
  scoring: Scoring,
  maskOf: (row: number) => number,
): Float64Array[] {
  const [hidden, head, teacher, teacherHead] = SHAPES.map((shape) => input(shape));
  const mask = input([ROWS]);
  const operands: Operands = [hidden, head, teacher, teacherHead, mask];
  const values = [...arrays, Float32Array.from({ length: ROWS }, (_, row) => maskOf(row))];
  const bindings = new Map(operands.map((t, i) => [t, Float64Array.from(values[i])]));
  return evaluateIn(DOUBLE, score(scoring, operands), bindings).map((x) => Float64Array.from(x));
}

const rowwise = Object.entries(losses).filter(([name]) => isRowwise(name));
const all: readonly (readonly [string, DistillationLoss])[] = [
  ...rowwise,
  ["tvd at a temperature", atTemperature(tvd, 0.5)],
];

for (const [name, loss] of all) {
  Deno.test(`${name} in chunks is ${name} of all rows, with its gradients`, () => {
    const score = scored(loss);
    for (const [which, maskOf] of Object.entries(MASKS)) {
      const expected = evaluated(score, wholeLogits, maskOf);
      for (const rows of [1, 2, 3, 5, 6, 12, 13, 100]) {
        evaluated(score, logitsInChunks(rows), maskOf).forEach((found, output) =>
          found.forEach((value, i) =>
            assertAlmostEquals(
              value,
              expected[output][i],
              1e-13,
              `${which}, chunks of ${rows}, output ${output}, element ${i}`,
            )
          )
        );
      }
    }
  });
}

Deno.test("a loss whose rows see one another is not called rowwise, and differs in chunks", () => {
  assertEquals(rowwise.map(([name]) => name), ["kld", "tvd", "tvd++", "reverse-kld", "jsd", "nla"]);
  assert(!isRowwise("toString"));
  for (const name of ["tvd++-batch", "lk", "e2e-tvd", "d-pace"] as const) {
    const [[whole], [chunked]] = [wholeLogits, logitsInChunks(5)].map((scoring) =>
      evaluated(scored(losses[name]), scoring, () => 1)
    );
    assert(Math.abs(whole[0] - chunked[0]) > 1e-6, name);
  }
});

Deno.test("a second derivative goes through the gradients of the chunks", () => {
  const curvature: Score = (scoring, [hidden, head, ...rest]) => {
    const loss = (h: Tensor, w: Tensor): Tensor =>
      scored(losses.kld)(scoring, [h, w, rest[0], rest[1], rest[2]])[0];
    const slope = (w: Tensor): Tensor => sum(mul(grad((h: Tensor) => loss(h, w))(hidden), hidden));
    return [grad(slope)(head)];
  };
  const expected = evaluated(curvature, wholeLogits, MASKS["some rows"])[0];
  assert(Math.max(...expected) > 1e-3);
  evaluated(curvature, logitsInChunks(4), MASKS["some rows"])[0].forEach((value, i) =>
    assertAlmostEquals(value, expected[i], 1e-13)
  );
});

Deno.test("a batch of one chunk has the bits of the whole, and more chunks those up to rounding", async () => {
  const device = createDevice(wasmBackend());
  const shapes = [...SHAPES, [ROWS]];
  const values = [...arrays, new Float32Array(ROWS).fill(1)];
  const [a, b, c, d, e] = values.map((x, i) => upload(device, hostTensor(x, shapes[i])));
  const run = async (scoring: Scoring) => {
    const f = (a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor) =>
      scored(losses["tvd++"])(scoring, [a, b, c, d, e]);
    return await Promise.all(compile(device, f)(a, b, c, d, e).map((array) => read(array)));
  };
  const whole = await run(wholeLogits);
  assertEquals(await run(logitsInChunks(ROWS)), whole);
  const found = await run(logitsInChunks(4));
  whole.forEach((output, k) =>
    output.forEach((value, i) => assertAlmostEquals(found[k][i], value, 1e-6))
  );
  device.close();
});

/** Bytes of the temporaries of a distillation loss of 512 rows and its gradients. */
function slotsOf(
  scoring: Scoring,
  [rows, width, vocabulary]: readonly number[],
): readonly number[] {
  const shapes = [[rows, width], [vocabulary, width], [rows, width], [vocabulary, width], [rows]];
  const inputs = shapes.map((shape) => input(shape));
  const [hidden, head, teacher, teacherHead, mask] = inputs;
  const { value, gradients } = valueAndGradWith((p: readonly [Tensor, Tensor]) =>
    scoring({ hidden: p[0], head: p[1] }, ({ logits, rowsOf, mean }) => {
      const target = linear(rowsOf(teacher), teacherHead);
      const alpha = mean(mask, (part) => acceptance(logits, target, part));
      return {
        value: mean(mask, (part) => losses.kld(logits, target, part)),
        auxiliary: { alpha },
      };
    })
  )([hidden, head]);
  return makePlan({ inputs, outputs: [value, ...gradients] }).slots;
}

Deno.test("in chunks of 32 of 512 rows no array of logits is larger than a chunk's", () => {
  const [rows, width, vocabulary] = [512, 32, 4096];
  const total = (slots: readonly number[]) => slots.reduce((sum, bytes) => sum + bytes, 0);
  const whole = slotsOf(wholeLogits, [rows, width, vocabulary]);
  const chunked = slotsOf(logitsInChunks(32), [rows, width, vocabulary]);
  assert(Math.max(...whole) >= rows * vocabulary * 4);
  assertEquals(Math.max(...chunked), 32 * vocabulary * 4);
  assert(total(chunked) < total(whole) / 8, `${total(chunked)} of ${total(whole)}`);
});

Deno.test("chunks have a whole number of rows from 1", () => {
  for (const rows of [0, -1, 1.5, NaN]) {
    assertThrows(() => logitsInChunks(rows), OutriderError, "chunks of 1 row");
  }
});
