/** Every smooth loss against finite differences, once and twice, in doubles. */
import { assertAlmostEquals } from "@std/assert";
import { constant } from "../../src/core/mod.ts";
import {
  acceptance,
  atTemperature,
  crossEntropy,
  type DistillationLoss,
  endToEndTvd,
  jsd,
  kld,
  negativeLogAcceptance,
  onPolicyCorrection,
  reverseKld,
  tvd,
} from "../../src/losses/mod.ts";
import { curvature, dot, measure, moved, randomDirection, randomProblem } from "./problem.ts";

const tokens = constant(Int32Array.from([3, 0, 10, 5, 7, -1, 2]));

const depths = constant(Int32Array.from([-1, 0, 1, 2, -1, 0, -1]));

/** TVD++, the LK hybrid and D-PACE hold parts constant, so that finite differences say nothing of them. */
const smooth: Readonly<Record<string, DistillationLoss>> = {
  acceptance,
  crossEntropy: (logits, _, mask) => crossEntropy(logits, tokens, mask),
  "endToEndTvd of 2": endToEndTvd(2),
  "endToEndTvd of more than a run": endToEndTvd(5),
  jsd,
  kld,
  negativeLogAcceptance,
  onPolicyCorrection: (draft, target, mask) => onPolicyCorrection(draft, target, mask, depths),
  reverseKld,
  tvd,
  "tvd at temperature 0.7": atTemperature(tvd, 0.7),
};

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
