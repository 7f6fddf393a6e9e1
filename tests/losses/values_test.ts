/** What the losses are worth, and what must not move them. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { DOUBLE, evaluateIn, SINGLE } from "../../src/backends/reference/mod.ts";
import { constant, input, OutriderError, type Tensor } from "../../src/core/mod.ts";
import {
  acceptance,
  atTemperature,
  crossEntropy,
  type DistillationLoss,
  isLossName,
  losses,
  lossNamed,
  tvd,
} from "../../src/losses/mod.ts";
import { dot, measure, moved, type Problem, randomProblem, rowOf } from "./problem.ts";

const all: Readonly<Record<string, DistillationLoss>> = {
  ...losses,
  acceptance,
  "cross-entropy": (logits, _, mask) =>
    crossEntropy(logits, constant(new Int32Array(logits.shape[0]).fill(1)), mask),
};

/** The mean over counted rows of a plain function of the two distributions. */
function meanOverCounted(
  problem: Problem,
  ofRow: (p: Float64Array, q: Float64Array) => number,
): number {
  const counted = [...problem.mask.keys()].filter((row) => problem.mask[row] === 1);
  const total = counted.reduce((sum, row) => {
    const { p, q } = rowOf(problem, row);
    return sum + ofRow(p, q);
  }, 0);
  return total / counted.length;
}

const divergence = (q: Float64Array, p: Float64Array): number =>
  q.reduce((sum, mass, v) => sum + mass * Math.log(mass / p[v]), 0);
const overlap = (p: Float64Array, q: Float64Array): number =>
  p.reduce((sum, mass, v) => sum + Math.min(mass, q[v]), 0);

const plain: Readonly<Record<string, (p: Float64Array, q: Float64Array) => number>> = {
  "kld": (p, q) => divergence(q, p),
  "reverse-kld": (p, q) => divergence(p, q),
  "tvd": (p, q) => 1 - overlap(p, q),
  "nla": (p, q) => -Math.log(overlap(p, q)),
  "acceptance": overlap,
  "cross-entropy": (p) => -Math.log(p[1]),
  "jsd": (p, q) => {
    const middle = p.map((mass, v) => (mass + q[v]) / 2);
    return (divergence(p, middle) + divergence(q, middle)) / 2;
  },
};

for (const [name, ofRow] of Object.entries(plain)) {
  Deno.test(`${name} is its formula, as a mean over the rows that count`, () => {
    for (let seed = 0; seed < 5; seed++) {
      const problem = randomProblem(seed);
      const expected = meanOverCounted(problem, ofRow);
      assertAlmostEquals(measure(all[name], problem).value, expected, 1e-13);
    }
  });
}

Deno.test("lk is KL and TVD in the proportion that the mean acceptance sets", () => {
  const problem = randomProblem(3);
  const [kl, tv] = [measure(losses.kld, problem), measure(tvd, problem)];
  const lambda = Math.exp(-3 * measure(acceptance, problem).value);
  const { value, gradient } = measure(losses.lk, problem);
  assertAlmostEquals(value, lambda * kl.value + (1 - lambda) * tv.value, 1e-13);
  gradient.forEach((g, i) => {
    assertAlmostEquals(g, lambda * kl.gradient[i] + (1 - lambda) * tv.gradient[i], 1e-15);
  });
});

Deno.test("acceptance is one minus TVD, in value and gradient, in f32 as well", () => {
  for (let seed = 0; seed < 20; seed++) {
    const problem = randomProblem(seed, 5, 40, 4);
    const [accepted, missed] = [acceptance, tvd].map((loss) => measure(loss, problem, SINGLE));
    assertAlmostEquals(accepted.value + missed.value, 1, 1e-6);
    const opposite = accepted.gradient.map((g) => -g);
    opposite.forEach((g, i) => assertAlmostEquals(g, missed.gradient[i], 1e-7));
  }
});

Deno.test("a step down any loss of the TVD family raises the acceptance rate", () => {
  for (const name of ["tvd", "tvd++", "tvd++-batch", "nla", "e2e-tvd"] as const) {
    for (let seed = 0; seed < 10; seed++) {
      const problem = randomProblem(seed, 6, 30);
      const { gradient } = measure(losses[name], problem);
      const length = 1e-3 / Math.sqrt(dot(gradient, gradient));
      const after = moved(problem, gradient, -length);
      assert(measure(acceptance, after).value > measure(acceptance, problem).value);
    }
  }
});

for (const [name, loss] of Object.entries(all)) {
  Deno.test(`${name}: rows that do not count have no influence, whatever is in them`, () => {
    const clean = randomProblem(1);
    const expected = measure(loss, clean, SINGLE);
    for (const junk of [NaN, Infinity, -Infinity, 1e38]) {
      const spoil = (logits: Float64Array) =>
        logits.map((z, i) => clean.mask[Math.floor(i / clean.vocabulary)] === 1 ? z : junk);
      const spoilt = { ...clean, draft: spoil(clean.draft), target: spoil(clean.target) };
      assertEquals(measure(loss, spoilt, SINGLE), expected);
    }
    const hidden = expected.gradient.slice(3 * clean.vocabulary, 4 * clean.vocabulary);
    assertEquals(hidden.map(Math.abs), new Float64Array(clean.vocabulary));
  });

  Deno.test(`${name} is 0 with a gradient of 0 where no row counts`, () => {
    const problem = { ...randomProblem(2), mask: new Float64Array(7) };
    const { value, gradient } = measure(loss, problem, SINGLE);
    assertEquals(Math.abs(value), 0);
    assertEquals(gradient.map(Math.abs), new Float64Array(gradient.length));
  });

  Deno.test(`${name} and its gradient stay finite at logits of 10,000 and removed tokens`, () => {
    const problem = randomProblem(4);
    const extreme = { ...problem, draft: problem.draft.slice(), target: problem.target.slice() };
    extreme.draft.set([1e4, -1e4, 0, 1e4], 0);
    extreme.target.set([-1e4, 1e4, 1e4, 0], 0);
    extreme.draft.fill(1e4, 11, 22);
    extreme.target.fill(-Infinity, 23, 33);
    const { value, gradient } = measure(loss, extreme, SINGLE);
    assert(Number.isFinite(value), `${value}`);
    assert(gradient.every(Number.isFinite), `${gradient}`);
  });

  Deno.test(`${name} does not change when a constant is added to a row's logits`, () => {
    const problem = randomProblem(5);
    const shifted = problem.draft.map((z, i) => z + 64 * Math.floor(i / problem.vocabulary));
    const { value } = measure(loss, { ...problem, draft: shifted });
    assertAlmostEquals(value, measure(loss, problem).value, 1e-12);
  });
}

Deno.test("a draft equal to its target is accepted always and has nothing left to learn", () => {
  const problem = randomProblem(6);
  const same = { ...problem, draft: problem.target };
  assertAlmostEquals(measure(acceptance, same).value, 1, 1e-14);
  for (const name of ["kld", "reverse-kld", "tvd", "jsd", "nla", "lk", "e2e-tvd"] as const) {
    const { value, gradient } = measure(losses[name], same);
    assertAlmostEquals(value, 0, 1e-14);
    for (const g of gradient) assertAlmostEquals(g, 0, 1e-14);
  }
  // The entropy of the target is left of a cross-entropy.
  for (const g of measure(losses["d-pace"], same).gradient) assertAlmostEquals(g, 0, 1e-14);
});

Deno.test("a temperature divides the logits, for all rows or for each its own", () => {
  const problem = randomProblem(7);
  const divided = (by: (row: number) => number): Problem => {
    const divide = (logits: Float64Array) =>
      logits.map((z, i) => z / by(Math.floor(i / problem.vocabulary)));
    return { ...problem, draft: divide(problem.draft), target: divide(problem.target) };
  };
  const half = measure(atTemperature(tvd, 0.5), problem).value;
  assertAlmostEquals(half, measure(tvd, divided(() => 0.5)).value, 1e-14);
  const rows = Float32Array.from({ length: problem.rows }, (_, row) => 0.25 * (row + 1));
  const each = measure(atTemperature(tvd, constant(rows, [problem.rows, 1])), problem).value;
  assertAlmostEquals(each, measure(tvd, divided((row) => rows[row])).value, 1e-14);
  assertThrows(() => atTemperature(tvd, 0), OutriderError, "a temperature above 0");
});

Deno.test("cross-entropy leaves out rows whose target is no token", () => {
  const [logits, mask] = [input([4, 3]), constant(new Float32Array([1, 1, 1, 1]))];
  const value = (targets: number[], counts: Tensor) => {
    const loss = crossEntropy(logits, constant(Int32Array.from(targets)), counts);
    const given = Float64Array.from([0, 1, 2, 3, 1, 0, 5, 5, 5, 1, 1, 4]);
    return evaluateIn(DOUBLE, [loss], new Map([[logits, given]]))[0][0];
  };
  const firstTwo = value([2, 0, 0, 0], constant(new Float32Array([1, 1, 0, 0])));
  assertEquals(value([2, 0, -1, 3], mask), firstTwo);
});

Deno.test("losses are found by name, and a wrong name is told the right ones", () => {
  for (const [name, loss] of Object.entries(losses)) assertEquals(lossNamed(name), loss);
  assert(!isLossName("toString"));
  assertThrows(() => lossNamed("tvdpp"), OutriderError, "tvd++");
});

Deno.test("logits of other shapes than the mask and each other are refused", () => {
  for (const loss of Object.values(losses)) {
    assertThrows(() => loss(input([4, 5]), input([4, 6]), input([4])), OutriderError, "[4, 6]");
    assertThrows(() => loss(input([4, 5]), input([4, 5]), input([5])), OutriderError, "mask");
    assertThrows(() => loss(input([20]), input([20]), input([20])), OutriderError, "rows");
  }
});
