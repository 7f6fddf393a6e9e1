/** Acceptance without a token that is never drafted. */
import { assertAlmostEquals } from "@std/assert";
import { evaluateGraph } from "../../src/backends/reference/mod.ts";
import { foldIn, keyOf, normals } from "../../src/core/random.ts";
import { constant, type Tensor } from "../../src/core/mod.ts";
import { acceptance } from "../../src/losses/mod.ts";

const [ROWS, VOCABULARY] = [5, 7];
const matrix = (values: Float32Array): Tensor => constant(values, [ROWS, VOCABULARY]);
const valueOf = (tensor: Tensor): number => evaluateGraph([tensor], new Map())[0][0];

Deno.test("a token that is never drafted counts as one whose logit is -Infinity", () => {
  const mask = constant(Float32Array.of(1, 0, 1, 1, 0.5));
  for (let seed = 0; seed < 10; seed++) {
    const draw = (name: string) =>
      normals(foldIn(keyOf(seed), name), ROWS * VOCABULARY).map((value) => 3 * value);
    const [draft, target] = [draw("draft"), matrix(draw("target"))];
    for (const token of [0, 3, VOCABULARY - 1]) {
      const without = draft.map((value, i) => i % VOCABULARY === token ? -Infinity : value);
      assertAlmostEquals(
        valueOf(acceptance(matrix(draft), target, mask, token)),
        valueOf(acceptance(matrix(without), target, mask)),
        1e-6,
      );
    }
  }
});

Deno.test("a draft that has all its mass on such a token accepts nothing, and that is a number", () => {
  const draft = new Float32Array(ROWS * VOCABULARY).map((_, i) => i % VOCABULARY === 2 ? 500 : 0);
  const target = matrix(new Float32Array(ROWS * VOCABULARY));
  const ones = constant(new Float32Array(ROWS).fill(1));
  assertAlmostEquals(valueOf(acceptance(matrix(draft), target, ones, 2)), 0, 1e-12);
});
