/** Losses of whole drafts: windows of rows, against plain loops and the enumeration of outcomes. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { constant, foldIn, keyOf, mul, neg, softmax, sumKeeping } from "../../src/core/mod.ts";
import { OutriderError, uniform } from "../../src/core/mod.ts";
import { type DistillationLoss, dPace, endToEndTvd, kld, tvd } from "../../src/losses/mod.ts";
import { countedPair, logProbabilities, meanOverRows } from "../../src/losses/rows.ts";
import {
  curvature,
  dot,
  gradientByRows,
  measure,
  moved,
  type Problem,
  randomDirection,
  randomProblem,
  rowOf,
} from "./problem.ts";

/** Problems of 1 to 12 rows of which some do not count, in runs of any length. */
const problems: readonly Problem[] = Array.from({ length: 24 }, (_, seed) => {
  const rows = 1 + seed % 12;
  const coin = (row: number) => uniform(foldIn(foldIn(keyOf(seed), "mask"), row));
  const mask = Float64Array.from({ length: rows }, (_, row) => coin(row) < 0.7 ? 1 : 0);
  return { ...randomProblem(seed, rows, 5), mask };
});
const GAMMAS = [1, 2, 3, 5, 20];

/** The rows of each draft of up to gamma tokens: one begins at every row that counts. */
function draftsOf({ mask, rows }: Problem, gamma: number): number[][] {
  const drafts: number[][] = [];
  for (let first = 0; first < rows; first++) {
    const draft: number[] = [];
    for (let row = first; row < Math.min(rows, first + gamma) && mask[row] > 0; row++) {
      draft.push(row);
    }
    if (draft.length > 0) drafts.push(draft);
  }
  return drafts;
}

const sumOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** `sum_{j>=from} prod_{i<=j} s_i`, steps counted from 0. */
function tailOf(factors: readonly number[], from: number): number {
  let [product, tail] = [1, 0];
  factors.forEach((factor, step) => {
    product *= factor;
    if (step >= from) tail += product;
  });
  return tail;
}

function alphaOf(problem: Problem, row: number): number {
  const { p, q } = rowOf(problem, row);
  return sumOf([...p].map((mass, v) => Math.min(mass, q[v])));
}

function crossEntropyOf(problem: Problem, row: number): number {
  const { p, q } = rowOf(problem, row);
  return -sumOf([...p].map((mass, v) => q[v] * Math.log(mass)));
}

/** How many tokens stand on average, over all 2^n outcomes of the steps. */
function expectedAccepted(alphas: readonly number[]): number {
  let expected = 0;
  for (let outcome = 0; outcome < 2 ** alphas.length; outcome++) {
    const stands = alphas.map((_, step) => (outcome >> step & 1) === 1);
    const chance = alphas.reduce((all, alpha, i) => all * (stands[i] ? alpha : 1 - alpha), 1);
    const rejected = stands.indexOf(false);
    expected += chance * (rejected < 0 ? alphas.length : rejected);
  }
  return expected;
}

/** D-PACE's weight of every row by its definition, draft by draft. */
function plainWeights(problem: Problem, gamma: number, smoothing: number): Float64Array {
  const weights = new Float64Array(problem.rows);
  for (const draft of draftsOf(problem, gamma)) {
    const kept = draft.map((row) =>
      (1 - smoothing) * Math.exp(-crossEntropyOf(problem, row)) + smoothing
    );
    draft.forEach((row, step) => weights[row] += tailOf(kept, step));
  }
  return weights;
}

Deno.test("end-to-end TVD is the share of drafted tokens that do not stand, by enumeration", () => {
  for (const problem of problems) {
    for (const gamma of [1, 2, 3, 5]) {
      const drafts = draftsOf(problem, gamma);
      const drafted = sumOf(drafts.map((draft) => draft.length));
      const stand = sumOf(
        drafts.map((draft) => expectedAccepted(draft.map((row) => alphaOf(problem, row)))),
      );
      const expected = drafted === 0 ? 0 : 1 - stand / drafted;
      assertAlmostEquals(measure(endToEndTvd(gamma), problem).value, expected, 1e-13);
    }
  }
});

Deno.test("end-to-end TVD is the published formula where every draft is whole", () => {
  const problem = { ...randomProblem(3, 3, 6), mask: Float64Array.of(1, 1, 1) };
  const [a, b, c] = [0, 1, 2].map((row) => alphaOf(problem, row));
  const one = 1 - (a + a * b + a * b * c) / 3;
  // The drafts that begin at the second and third row have two steps and one.
  const all = 1 - (3 * (1 - one) + b + b * c + c) / 6;
  assertAlmostEquals(measure(endToEndTvd(3), problem).value, all, 1e-14);
});

Deno.test("end-to-end TVD of one token is TVD, with its gradient", () => {
  for (const problem of problems) {
    const [found, expected] = [endToEndTvd(1), tvd].map((loss) => measure(loss, problem));
    assertAlmostEquals(found.value, expected.value, 1e-13);
    found.gradient.forEach((g, i) => assertAlmostEquals(g, expected.gradient[i], 1e-14));
  }
});

Deno.test("end-to-end TVD moves a row's logits as TVD does, by what depends on this row", () => {
  for (const problem of problems) {
    for (const gamma of GAMMAS) {
      const drafts = draftsOf(problem, gamma);
      const drafted = sumOf(drafts.map((draft) => draft.length));
      const weights = new Float64Array(problem.rows);
      for (const draft of drafts) {
        const alphas = draft.map((row) => alphaOf(problem, row));
        draft.forEach((row, step) => weights[row] += tailOf(alphas, step) / alphas[step]);
      }
      const counted = Math.max(1, sumOf([...problem.mask]));
      const single = measure(tvd, problem).gradient;
      measure(endToEndTvd(gamma), problem).gradient.forEach((g, i) => {
        const weight = weights[Math.floor(i / problem.vocabulary)];
        assertAlmostEquals(g, single[i] * counted * weight / Math.max(1, drafted), 1e-14);
      });
    }
  }
});

Deno.test("D-PACE is the mean of the cross-entropy by its weights", () => {
  for (const problem of problems) {
    for (const gamma of GAMMAS) {
      for (const smoothing of [0, 0.5, 1]) {
        const weights = [...plainWeights(problem, gamma, smoothing)];
        const whole = sumOf(weights);
        const expected = whole === 0
          ? 0
          : sumOf(weights.map((w, row) => w * crossEntropyOf(problem, row))) / whole;
        assertAlmostEquals(measure(dPace(gamma, smoothing), problem).value, expected, 1e-13);
      }
    }
  }
});

Deno.test("D-PACE's gradient is p - q by its weights, which are constant", () => {
  for (const problem of problems) {
    for (const gamma of GAMMAS) {
      const weights = plainWeights(problem, gamma, 0.5);
      const whole = sumOf([...weights]);
      const expected = whole === 0
        ? new Float64Array(problem.draft.length)
        : gradientByRows({ ...problem, mask: weights }, ({ p, q }) => p.map((x, v) => x - q[v]));
      measure(dPace(gamma), problem).gradient.forEach((g, i) =>
        assertAlmostEquals(g, expected[i], 1e-14)
      );
    }
  }
});

/** D-PACE with the weights that it has at a problem, whatever the draft: what it is the slope of. */
function withFrozenWeights(problem: Problem, gamma: number): DistillationLoss {
  const weights = constant(Float32Array.from(plainWeights(problem, gamma, 0.5)));
  return (draftLogits, targetLogits, mask) => {
    const { draft, target } = countedPair("test", draftLogits, targetLogits, mask);
    const entropy = neg(sumKeeping(mul(softmax(target), logProbabilities(draft)), [1]));
    return meanOverRows(entropy, weights);
  };
}

Deno.test("D-PACE's gradient and curvature are slopes of the loss with its weights held", () => {
  const step = 1e-5;
  for (const problem of problems.slice(5)) {
    const direction = randomDirection(problem.rows, problem.draft.length);
    const frozen = withFrozenWeights(problem, 3);
    const along = (length: number) => measure(frozen, moved(problem, direction, length));
    const [up, down] = [along(step), along(-step)];
    const slope = (up.value - down.value) / (2 * step);
    const bend = (dot(up.gradient, direction) - dot(down.gradient, direction)) / (2 * step);
    // The frozen weights are rounded to f32.
    assertAlmostEquals(dot(measure(dPace(3), problem).gradient, direction), slope, 1e-6);
    assertAlmostEquals(curvature(dPace(3), problem, direction), bend, 1e-6);
  }
});

Deno.test("D-PACE without smoothing's share leaves nothing behind a hopeless row", () => {
  const rows = 3;
  const target = Float64Array.of(40, 0, 40, 0, 40, 0);
  const draft = Float64Array.of(-40, 0, 0, 0, 0, 0);
  const problem = { rows, vocabulary: 2, draft, target, mask: Float64Array.of(1, 1, 1) };
  const strict = measure(dPace(rows, 0), problem).gradient;
  // Behind the first row the other two still begin drafts of their own.
  const onlyTheirs = measure(dPace(rows, 0), { ...problem, mask: Float64Array.of(0, 1, 1) });
  strict.forEach((g, i) => assertAlmostEquals(g, onlyTheirs.gradient[i], 1e-12));
});

const across: Readonly<Record<string, (gamma: number) => DistillationLoss>> = {
  "end-to-end TVD": endToEndTvd,
  "D-PACE": (gamma) => dPace(gamma),
};

for (const [name, lossOf] of Object.entries(across)) {
  Deno.test(`${name}: runs of rows apart do not see one another`, () => {
    const seeds = [31, 32];
    const [first, second] = seeds.map((seed) => ({
      ...randomProblem(seed, 4, 5),
      mask: Float64Array.of(1, 1, 1, 0),
    }));
    const joined = (a: Float64Array, b: Float64Array) => Float64Array.from([...a, ...b]);
    const both: Problem = {
      rows: 8,
      vocabulary: 5,
      draft: joined(first.draft, second.draft),
      target: joined(first.target, second.target),
      mask: joined(first.mask, second.mask),
    };
    const [alone, together] = [first, both].map((problem) => measure(lossOf(3), problem).gradient);
    // The direction of the first run is its own; only its share of the mean follows from the batch.
    const share = together[0] / alone[0];
    assert(share > 0.1 && share < 0.9);
    alone.forEach((g, i) => assertAlmostEquals(together[i], g * share, 1e-14));
  });

  Deno.test(`${name}: a row alone is scored by itself, whatever the length of drafts`, () => {
    const problem = { ...randomProblem(8, 5, 6), mask: Float64Array.of(0, 1, 0, 0, 1) };
    const single = measure(name === "D-PACE" ? kld : tvd, { ...problem, mask: row(1) }).gradient;
    for (const gamma of GAMMAS) {
      const { gradient } = measure(lossOf(gamma), { ...problem, mask: row(1) });
      gradient.forEach((g, i) => assertAlmostEquals(g, single[i], 1e-14));
      const pair = measure(lossOf(gamma), problem);
      assertEquals(pair, measure(lossOf(1), problem));
    }
  });

  Deno.test(`${name} refuses drafts of no token`, () => {
    for (const gamma of [0, -1, 1.5, NaN, Infinity]) {
      assertThrows(() => lossOf(gamma), OutriderError, "windows of 1 row");
    }
  });
}

/** The mask of one row of five. */
function row(counted: number): Float64Array {
  return Float64Array.from({ length: 5 }, (_, i) => i === counted ? 1 : 0);
}
