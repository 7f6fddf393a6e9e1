/** Every smooth loss against finite differences, once and twice, in doubles. */
import { assertAlmostEquals } from "@std/assert";
import { constant, foldIn, keyOf, normals } from "../../src/core/mod.ts";
import {
  acceptance,
  atTemperature,
  crossEntropy,
  type DistillationLoss,
  jsd,
  kld,
  negativeLogAcceptance,
  reverseKld,
  tvd,
} from "../../src/losses/mod.ts";
import { curvature, dot, measure, moved, randomProblem } from "./problem.ts";

const tokens = constant(Int32Array.from([3, 0, 10, 5, 7, -1, 2]));

/** TVD++ and the LK hybrid hold parts constant, so that finite differences say nothing of them. */
const smooth: Readonly<Record<string, DistillationLoss>> = {
  acceptance,
  crossEntropy: (logits, _, mask) => crossEntropy(logits, tokens, mask),
  jsd,
  kld,
  negativeLogAcceptance,
  reverseKld,
  tvd,
  "tvd at temperature 0.7": atTemperature(tvd, 0.7),
};

function randomDirection(seed: number, length: number): Float64Array {
  return Float64Array.from(normals(foldIn(keyOf(seed), "direction"), length));
}

const STEP = 1e-5;

for (const [name, loss] of Object.entries(smooth)) {
  Deno.test(`${name}: the gradient is the slope along any direction`, () => {
    for (let seed = 0; seed < 8; seed++) {
      const problem = randomProblem(seed);
      const direction = randomDirection(seed, problem.draft.length);
      const slope = (measure(loss, moved(problem, direction, STEP)).value -
        measure(loss, moved(problem, direction, -STEP)).value) / (2 * STEP);
      assertAlmostEquals(dot(measure(loss, problem).gradient, direction), slope, 1e-8);
    }
  });

  Deno.test(`${name}: the gradient differentiates again`, () => {
    for (let seed = 0; seed < 8; seed++) {
      const problem = randomProblem(seed);
      const direction = randomDirection(seed, problem.draft.length);
      const slopeAt = (length: number) =>
        dot(measure(loss, moved(problem, direction, length)).gradient, direction);
      const bend = (slopeAt(STEP) - slopeAt(-STEP)) / (2 * STEP);
      assertAlmostEquals(curvature(loss, problem, direction), bend, 1e-8);
    }
  });
}
