/** The CTC loss against an enumeration of all alignments, its slopes, and PyTorch's figures. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { constant, hostTensor, input, logSoftmax, sum, type Tensor } from "../../src/core/mod.ts";
import { valueAndGrad } from "../../src/core/mod.ts";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { foldIn, keyOf, normals } from "../../src/core/random.ts";
import { ctcLoss, ctcPrefixLoss, ctcScores } from "../../src/losses/mod.ts";
import { compile, createDevice, download, upload } from "../../src/runtime/mod.ts";
import {
  alignments,
  collapsed,
  type CtcFunction,
  type CtcProblem,
  measureCtc,
  randomCtcProblem,
} from "./ctc_world.ts";
import { dot } from "./problem.ts";
// Of PyTorch: log_softmax, then ctc_loss with reduction "none" and zero_infinity; the gradient is that
// of the sum on the logits, in doubles. Logits were drawn as round(2 * randn, 3 decimals).
import golden from "../golden/ctc_loss.json" with { type: "json" };

const SMALL = [
  { places: 1, classes: 2, most: 1 },
  { places: 3, classes: 2, most: 3 },
  { places: 4, classes: 3, most: 3 },
  { places: 5, classes: 3, most: 4 },
  { places: 4, classes: 4, most: 2 },
];

const whole: CtcFunction = (...given) => ctcScores(...given).whole;
const prefixes: CtcFunction = (...given) => ctcScores(...given).prefixes;

Deno.test("the probability of a sequence is the sum over all its alignments", () => {
  for (const [seed, sizes] of SMALL.entries()) {
    const problem = randomCtcProblem(seed, sizes);
    const found = measureCtc(whole, problem).values;
    problem.lengths.forEach((length, sequence) => {
      const labels = problem.labels[sequence].slice(0, length);
      let expected = 0;
      for (const { alignment, probability } of alignments(problem, sequence)) {
        if (`${collapsed(alignment, problem.blank)}` === `${labels}`) expected += probability;
      }
      assertAlmostEquals(Math.exp(found[sequence]), expected, 1e-12, `${labels}`);
    });
  }
});

Deno.test("the probability of a beginning is the sum over all alignments that begin with it", () => {
  for (const [seed, sizes] of SMALL.entries()) {
    const problem = randomCtcProblem(seed, sizes);
    const found = measureCtc(prefixes, problem).values;
    problem.labels.forEach((row, sequence) => {
      for (let length = 1; length <= sizes.most; length++) {
        const labels = row.slice(0, length);
        let expected = 0;
        for (const { alignment, probability } of alignments(problem, sequence)) {
          const begins = collapsed(alignment, problem.blank).slice(0, length);
          if (`${begins}` === `${labels}`) expected += probability;
        }
        const at = sequence * sizes.most + length - 1;
        assertAlmostEquals(Math.exp(found[at]), expected, 1e-12, `${labels}`);
      }
    });
  }
});

Deno.test("the loss of a target that goes on is the mean over its beginnings that can be", () => {
  for (const [seed, sizes] of SMALL.entries()) {
    const problem = randomCtcProblem(seed, sizes);
    const logProbs = measureCtc(prefixes, problem).values;
    const found = measureCtc(ctcPrefixLoss, problem).values;
    problem.lengths.forEach((length, sequence) => {
      const from = sequence * sizes.most;
      const beginnings = logProbs.slice(from, from + length).filter((x) => x > -1e20);
      const total = beginnings.reduce((sum, logProb) => sum - logProb, 0);
      assertAlmostEquals(found[sequence], total / Math.max(1, length), 1e-12);
    });
  }
});

const MIDDLE = { places: 6, classes: 7, most: 4 };

function moved(problem: CtcProblem, direction: Float64Array, length: number): CtcProblem {
  return { ...problem, logits: problem.logits.map((z, i) => z + length * direction[i]) };
}

for (const [name, loss] of Object.entries({ ctcLoss, ctcPrefixLoss })) {
  Deno.test(`${name}: the gradient is the slope along any direction`, () => {
    const step = 1e-5;
    for (let seed = 0; seed < 6; seed++) {
      const problem = randomCtcProblem(seed, MIDDLE);
      const direction = Float64Array.from(
        normals(foldIn(keyOf(seed), "direction"), problem.logits.length),
      );
      const at = (length: number) =>
        measureCtc(loss, moved(problem, direction, length)).values.reduce((a, b) => a + b, 0);
      const slope = (at(step) - at(-step)) / (2 * step);
      assertAlmostEquals(dot(measureCtc(loss, problem).gradient, direction), slope, 1e-7);
    }
  });

  Deno.test(`${name} and its gradient on Wasm are those of the reference`, async () => {
    const device = createDevice(wasmBackend());
    for (const sizes of [MIDDLE, { places: 16, classes: 33, most: 16 }]) {
      const problem = randomCtcProblem(3, sizes);
      const { places, classes, labels, lengths, blank } = problem;
      const targets = {
        labels: constant(Int32Array.from(labels.flat()), [labels.length, sizes.most]),
        lengths: constant(Int32Array.from(lengths)),
      };
      const run = compile(device, (z: Tensor) => {
        const scored = (x: Tensor) => sum(loss(logSoftmax(x), targets, blank));
        const { value, gradients } = valueAndGrad(scored)(z);
        return { value, gradients };
      });
      const shape = [places, labels.length, classes];
      const found = run(upload(device, hostTensor(Float32Array.from(problem.logits), shape)));
      const expected = measureCtc(loss, problem);
      const total = expected.values.reduce((a, b) => a + b, 0);
      assertAlmostEquals((await download(found.value)).data[0] / total, 1, 1e-5);
      (await download(found.gradients)).data.forEach((g, i) =>
        assertAlmostEquals(g, expected.gradient[i], 1e-5, `element ${i}`)
      );
    }
    device.close();
  });
}

Deno.test("values and gradients are PyTorch's, impossible targets count nothing", () => {
  assertEquals(golden.cases.length, 4);
  for (const { losses, gradient, impossible, logits, ...problem } of golden.cases) {
    const found = measureCtc(ctcLoss, { ...problem, logits: Float64Array.from(logits) });
    losses.forEach((loss, i) => assertAlmostEquals(found.values[i], loss, 1e-9));
    gradient.forEach((g, i) => assertAlmostEquals(found.gradient[i], g, 1e-9));
    impossible.forEach((never, i) => never && assertEquals(found.values[i], 0));
  }
  assert(golden.cases.some(({ impossible }) => impossible.includes(true)));
});

Deno.test("what stands behind a sequence's end changes nothing, be it no class at all", () => {
  const problem = randomCtcProblem(5, MIDDLE);
  const other = {
    ...problem,
    labels: problem.labels.map((row, i) =>
      row.map((label, k) => k < problem.lengths[i] ? label : (k % 2 === 0 ? -1 : 99))
    ),
  };
  for (const loss of [ctcLoss, ctcPrefixLoss]) {
    assertEquals(measureCtc(loss, other), measureCtc(loss, problem));
  }
});

Deno.test("a label that is no class is impossible", () => {
  const logits = new Float64Array(2 * 3);
  for (const label of [-1, 3]) {
    const problem = { places: 2, classes: 3, blank: 0, labels: [[label]], lengths: [1], logits };
    const { values, gradient } = measureCtc(ctcLoss, problem);
    assertEquals([...values, ...gradient], new Array(7).fill(0));
  }
});

Deno.test("shapes that do not fit are told what is wanted", () => {
  const fitting = { labels: input([3, 2], "i32"), lengths: input([3], "i32") };
  const wrong = [
    () => ctcLoss(input([4, 2, 5]), fitting, 0),
    () => ctcLoss(input([12, 5]), fitting, 0),
    () => ctcLoss(input([4, 3, 5]), fitting, 5),
    () => ctcLoss(input([4, 3, 5]), { ...fitting, lengths: input([2], "i32") }, 0),
  ];
  for (const call of wrong) assertThrows(call, OutriderError, "[places, sequences, classes]");
});
