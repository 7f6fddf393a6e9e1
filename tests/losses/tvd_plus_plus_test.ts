/** TVD and TVD++ are policy gradients: their gradients against the closed forms. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { constant, mul, sub, type Tensor } from "../../src/core/mod.ts";
import {
  acceptance,
  type DistillationLoss,
  tvd,
  tvdPlusPlus,
  tvdPlusPlusBatch,
  tvdPlusPlusSampled,
} from "../../src/losses/mod.ts";
import { meanOverRows } from "../../src/losses/rows.ts";
import { exactPolicyLoss, policyTerms, rewardDeviation } from "../../src/losses/tvd_plus_plus.ts";
import { unweightedTvdPlusPlus } from "./unweighted.ts";
import {
  cosine,
  gradientByRows,
  measure,
  type PlainRow,
  type Problem,
  randomProblem,
  rowOf,
} from "./problem.ts";

const seeds = [0, 1, 2, 3, 4, 5];

function assertNear(found: Float64Array, expected: Float64Array, tolerance = 1e-14): void {
  found.forEach((x, i) => assertAlmostEquals(x, expected[i], tolerance));
}

/** The row's policy gradient `-p_j (r_j - S) / sigma`. */
function policyGradient(row: PlainRow, sigma: number): Float64Array {
  return row.p.map((mass, j) => -mass * (row.reward[j] - row.meanReward) / sigma);
}

const deviationOf = (mean: number): number => Math.max(0.1, Math.sqrt(mean * (1 - mean)));

Deno.test("the gradient of TVD is -p_j (r_j - S)", () => {
  for (const seed of seeds) {
    const problem = randomProblem(seed);
    assertNear(
      measure(tvd, problem).gradient,
      gradientByRows(problem, (row) => policyGradient(row, 1)),
    );
  }
});

Deno.test("a token on which both models agree earns no reward", () => {
  const problem: Problem = {
    rows: 1,
    vocabulary: 4,
    draft: Float64Array.of(2, -1, 0.5, 0),
    target: Float64Array.of(-1, 2, 0.5, 0),
    mask: Float64Array.of(1),
  };
  assertEquals(rowOf(problem, 0).reward, Float64Array.of(0, 1, 0, 0));
  const exact = gradientByRows(problem, (row) => policyGradient(row, 1));
  assertNear(measure(tvd, problem).gradient, exact);
  assertNear(measure(acceptance, problem).gradient, exact.map((g) => -g));
  const divided = (row: PlainRow) => policyGradient(row, deviationOf(row.meanReward));
  assertNear(measure(tvdPlusPlus, problem).gradient, gradientByRows(problem, divided));
});

Deno.test("TVD++ divides each row's policy gradient by the deviation of its reward", () => {
  for (const seed of seeds) {
    const problem = randomProblem(seed, 12, 9, 3);
    assertNear(
      measure(tvdPlusPlus, problem).gradient,
      gradientByRows(problem, (row) => policyGradient(row, deviationOf(row.meanReward))),
    );
  }
});

Deno.test("TVD++ does not amplify settled rows beyond the floor of sigma", () => {
  const rare = new Float64Array(8);
  rare.set([12, 0, 0, 0, 0, 0, 0, 0]);
  const target = rare.map((z, v) => v === 3 ? 4 : z);
  const problem: Problem = {
    rows: 1,
    vocabulary: 8,
    draft: rare,
    target,
    mask: Float64Array.of(1),
  };
  const { meanReward } = rowOf(problem, 0);
  assert(meanReward > 0 && Math.sqrt(meanReward * (1 - meanReward)) < 0.01);
  const [plain, normalised] = [tvd, tvdPlusPlus].map((loss) => measure(loss, problem).gradient);
  assertNear(normalised, plain.map((g) => g * 10));
});

Deno.test("TVD++ over the batch is TVD divided by one deviation", () => {
  for (const seed of seeds) {
    const problem = randomProblem(seed);
    const counted = [...problem.mask.keys()].filter((row) => problem.mask[row] === 1);
    const mean = counted.reduce((total, row) => total + rowOf(problem, row).meanReward, 0) /
      counted.length;
    const expected = measure(tvd, problem).gradient.map((g) => g / deviationOf(mean));
    assertNear(measure(tvdPlusPlusBatch, problem).gradient, expected);
  }
});

Deno.test("in the exact form any mu gives the same gradient", () => {
  const withMean =
    (meanOf: (exact: Tensor) => Tensor): DistillationLoss => (draft, target, mask) => {
      const terms = policyTerms("test", draft, target, mask);
      const deviation = rewardDeviation(terms.meanReward, 0.1);
      return meanOverRows(exactPolicyLoss(terms, meanOf(terms.meanReward), deviation), mask);
    };
  const problem = randomProblem(8);
  const [exact, none, wild] = [
    withMean((mu) => mu),
    withMean((mu) => sub(mu, mu)),
    withMean((mu) => mul(mu, -7)),
  ].map((loss) => measure(loss, problem).gradient);
  assertNear(none, exact);
  assertNear(wild, exact);
});

Deno.test("the sampled form is minus the normalised advantage times the log-probability", () => {
  const problem = { ...randomProblem(9, 1, 6), mask: Float64Array.of(1) };
  const { p, reward, meanReward } = rowOf(problem, 0);
  for (let token = 0; token < 6; token++) {
    const { value } = measure(
      (...rows) => tvdPlusPlusSampled(...rows, constant(Int32Array.of(token))),
      problem,
    );
    const advantage = (reward[token] - meanReward) / deviationOf(meanReward);
    assertAlmostEquals(value, -advantage * Math.log(p[token]), 1e-13);
  }
});

Deno.test("the sampled form has the exact form's gradient as its expectation", () => {
  for (const seed of seeds) {
    const problem = randomProblem(seed);
    const total = new Float64Array(problem.draft.length);
    for (let token = 0; token < problem.vocabulary; token++) {
      const tokens = constant(new Int32Array(problem.rows).fill(token));
      const { gradient } = measure(
        (draft, target, mask) => tvdPlusPlusSampled(draft, target, mask, tokens),
        problem,
      );
      gradient.forEach((g, i) => {
        total[i] += g * rowOf(problem, Math.floor(i / problem.vocabulary)).p[token];
      });
    }
    assertNear(total, measure(tvdPlusPlus, problem).gradient);
  }
});

Deno.test("an unweighted mean over the vocabulary would be another direction", () => {
  for (const seed of seeds) {
    const problem = { ...randomProblem(seed, 8, 64, 3), mask: new Float64Array(8).fill(1) };
    const direction = measure(tvd, problem).gradient;
    assert(cosine(measure(unweightedTvdPlusPlus, problem).gradient, direction) < 0.5);
    assert(cosine(measure(tvdPlusPlusBatch, problem).gradient, direction) > 1 - 1e-12);
    assert(cosine(measure(tvdPlusPlus, problem).gradient, direction) > 0.8);
  }
});
