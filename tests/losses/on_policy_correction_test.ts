/** The on-policy loss against its formula, and which rows it sees. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { SINGLE } from "../../src/backends/reference/mod.ts";
import { constant, foldIn, input, keyOf, OutriderError, uniform } from "../../src/core/mod.ts";
import { type DistillationLoss, onPolicyCorrection } from "../../src/losses/mod.ts";
import { dot, measure, moved, type Problem, randomProblem, rowOf } from "./problem.ts";

/** The loss with depths given: the mask of a problem says which rows are accepted. */
const withDepths = (depths: ArrayLike<number>): DistillationLoss => (draft, target, accepted) =>
  onPolicyCorrection(draft, target, accepted, constant(Int32Array.from(depths)));

const divergence = (a: Float64Array, b: Float64Array): number =>
  a.reduce((sum, mass, v) => sum + mass * Math.log(mass / b[v]), 0);

/** The formula, row by row. */
function plain(problem: Problem, depths: ArrayLike<number>): number {
  const [forward, reverse] = [{ sum: 0, weight: 0 }, { sum: 0, weight: 0 }];
  for (let row = 0; row < problem.rows; row++) {
    const { p, q } = rowOf(problem, row);
    if (problem.mask[row] > 0) {
      forward.sum += divergence(q, p);
      forward.weight += 1;
    }
    if (depths[row] >= 0) {
      reverse.sum += 0.8 ** depths[row] * divergence(p, q);
      reverse.weight += 0.8 ** depths[row];
    }
  }
  const mean = ({ sum, weight }: typeof forward) => weight === 0 ? 0 : sum / weight;
  return (mean(forward) + mean(reverse)) / 2;
}

/** Rows of all three kinds: accepted, rejected at some depth, and neither. */
function kindsOf(seed: number, rows: number): { problem: Problem; depths: number[] } {
  const kinds = Array.from(
    { length: rows },
    (_, row) => Math.floor(3 * uniform(foldIn(foldIn(keyOf(seed), "kind"), row))),
  );
  return {
    problem: {
      ...randomProblem(seed, rows, 7),
      mask: Float64Array.from(kinds, (kind) => kind === 0 ? 1 : 0),
    },
    depths: kinds.map((kind, row) => kind === 1 ? row % 5 : -1),
  };
}

Deno.test("accepted rows are scored by KL(q || p), rejected ones by KL(p || q) and depth", () => {
  for (let seed = 0; seed < 30; seed++) {
    const { problem, depths } = kindsOf(seed, 1 + seed % 10);
    const { value } = measure(withDepths(depths), problem);
    assertAlmostEquals(value, plain(problem, depths), 1e-7); // 0.8^k is of the f32 of log 0.8
  }
});

Deno.test("the depth's weight is a factor for each step, and only ratios matter", () => {
  const problem = { ...randomProblem(3, 4, 6), mask: new Float64Array(4) };
  const [shallow, deep] = [[0, 1, 2, -1], [2, 3, 4, -1]].map((depths) =>
    measure(withDepths(depths), problem)
  );
  assertAlmostEquals(shallow.value, deep.value, 1e-6);
  const alone = measure(withDepths([0, -1, -1, -1]), problem).value;
  assertAlmostEquals(measure(withDepths([4, -1, -1, -1]), problem).value, alone, 1e-7);
});

Deno.test("rows of neither kind have no influence, whatever is in them", () => {
  const depths = [0, 1, -1, -1, -1, 2];
  const problem = { ...randomProblem(5, 6, 4), mask: Float64Array.of(0, 0, 0, 1, 1, 0) };
  const expected = measure(withDepths(depths), problem, SINGLE);
  for (const junk of [NaN, Infinity, -Infinity, 1e38]) {
    const [draft, target] = [problem.draft, problem.target].map((logits) => logits.slice());
    draft.fill(junk, 8, 12);
    target.fill(junk, 8, 12);
    assertEquals(measure(withDepths(depths), { ...problem, draft, target }, SINGLE), expected);
  }
  assertEquals(expected.gradient.slice(8, 12).map(Math.abs), new Float64Array(4));
});

Deno.test("either half is 0 where it has no rows, and so are both", () => {
  const problem = { ...randomProblem(6, 3, 5), mask: new Float64Array(3) };
  const { value, gradient } = measure(withDepths([-1, -1, -1]), problem, SINGLE);
  assertEquals([Math.abs(value), ...gradient.map(Math.abs)], new Array(16).fill(0));
  for (const kind of ["accepted", "rejected"]) {
    const one = { ...problem, mask: Float64Array.of(0, kind === "accepted" ? 1 : 0, 0) };
    const depths = [-1, kind === "accepted" ? -1 : 0, -1];
    assertAlmostEquals(measure(withDepths(depths), one).value, plain(one, depths), 1e-13);
  }
});

Deno.test("a step down takes mass off the rejected token, which the target would not say", () => {
  // The draft is sure of token 1 in a rejected row, the target of token 0.
  const problem: Problem = {
    rows: 1,
    vocabulary: 3,
    draft: Float64Array.of(0, 2, 0),
    target: Float64Array.of(3, -3, 0),
    mask: Float64Array.of(0),
  };
  const { gradient } = measure(withDepths([0]), problem);
  const after = moved(problem, gradient, -0.1 / Math.sqrt(dot(gradient, gradient)));
  assert(rowOf(after, 0).p[1] < rowOf(problem, 0).p[1]);
});

Deno.test("depths of another shape than the mask are refused", () => {
  const logits = input([4, 5]);
  assertThrows(
    () => onPolicyCorrection(logits, logits, input([4]), input([5], "i32")),
    OutriderError,
    "depths of shape [4]",
  );
  assertThrows(() => onPolicyCorrection(logits, logits, input([5]), input([5])), OutriderError);
});
