/** Verification at its borders. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import {
  acceptProbability,
  blockWeights,
  logitsOf,
  oneHot,
  probsOf,
  residual,
  residualMass,
  sample,
  sampleResidual,
  softmax,
  verifyBlock,
  verifyToken,
} from "../../src/decode/mod.ts";
import { foldIn, keyOf, normals, uniform } from "../../src/core/random.ts";

const lowest = 0;
const highest = 1 - 2 ** -53;

Deno.test("a drafted token that the target cannot emit is rejected by every coin", () => {
  const target = probsOf([0, 0.5, 0.5]);
  const round = { tokens: [0], draft: [oneHot(3, 0)], target: [target, target] };
  for (const verify of [verifyToken, verifyBlock]) {
    for (const coin of [lowest, highest]) {
      const { accepted, next } = verify(round, { accept: [coin], sample: [coin, coin] });
      assertEquals([accepted, next], [0, coin === lowest ? 1 : 2]);
    }
  }
});

Deno.test("a draft on a subset of the vocabulary leaves the other tokens to the residual", () => {
  const target = probsOf([0.5, 0.25, 0.25]);
  const draft = probsOf([0.5, 0.5, 0]);
  assertEquals([...residual(target, draft)], [0, 0, 1]);
  assertEquals(residualMass(target, draft, 1), 0.25);
});

Deno.test("the residual of equal distributions is the target, not 0 divided by 0", () => {
  const probs = probsOf([0.1, 0.2, 0.7]);
  assertEquals(residual(probs, probs), probs);
});

Deno.test("a residual left by rounding alone still has sum 1", () => {
  const target = probsOf([0.1 + 2 ** -56, 0.2, 0.7]);
  const draft = probsOf([0.1, 0.2, 0.7]);
  assertEquals([...residual(target, draft)], [1, 0, 0]);
});

Deno.test("a probability that underflows is accepted and rejected without NaN", () => {
  const tiny = Number.MIN_VALUE;
  const target = probsOf([tiny, 1]);
  const draft = probsOf([1, tiny]);
  assertEquals(acceptProbability(target, draft, 0), tiny);
  assertEquals(acceptProbability(draft, target, 0), 1);
  const round = { tokens: [0, 0], draft: [target, target], target: [draft, draft, draft] };
  assertEquals(blockWeights(round), [1, 1, 1]);
});

Deno.test("the next token is drawn by the coin of its own place", () => {
  const even = probsOf([0.25, 0.25, 0.25, 0.25]);
  const round = { tokens: [0, 0], draft: [even, even], target: [oneHot(4, 0), even, even] };
  const sampled = [0.1, 0.4, 0.9];
  for (const verify of [verifyToken, verifyBlock]) {
    const verdict = verify(round, { accept: [0, 0], sample: sampled });
    assertEquals(verdict, { accepted: 2, next: 3 });
  }
  const split = { ...round, draft: [even, oneHot(4, 0)] };
  assertEquals(verifyToken(split, { accept: [0, 0.5], sample: sampled }), { accepted: 1, next: 2 });
});

Deno.test("an empty block is a draw from the target", () => {
  const round = { tokens: [], draft: [], target: [probsOf([0.25, 0.75])] };
  for (const verify of [verifyToken, verifyBlock]) {
    assertEquals(verify(round, { accept: [], sample: [0.25] }), { accepted: 0, next: 1 });
  }
});

Deno.test("block weights fall with over-drafted tokens and recover with under-drafted ones", () => {
  const target = probsOf([0.25, 0.75]);
  const draft = probsOf([0.5, 0.5]);
  const round = { tokens: [0, 1, 1], draft: [draft, draft, draft], target: Array(4).fill(target) };
  const [first, second, third, fourth] = blockWeights(round);
  assertEquals([first, second, third, fourth], [1, 0.5, 0.75, 1]);
});

Deno.test("accept and residual of one token add up to the target", () => {
  const target = probsOf([0.1, 0.2, 0.3, 0.4]);
  const draft = probsOf([0.4, 0.3, 0.2, 0.1]);
  const rejected = draft.reduce(
    (sum, p, token) => sum + p * (1 - acceptProbability(target, draft, token)),
    0,
  );
  const left = residual(target, draft);
  target.forEach((q, token) => {
    const emitted = draft[token] * acceptProbability(target, draft, token) + rejected * left[token];
    assertAlmostEquals(emitted, q, 1e-15);
  });
});

Deno.test("a draw from the residual is the draw from its array, coin by coin", () => {
  for (let seed = 0; seed < 40; seed++) {
    const row = (name: string) =>
      softmax(logitsOf(normals(foldIn(foldIn(keyOf(seed), name), "row"), 1 + seed)));
    const [target, draft] = [row("target"), seed % 5 === 0 ? row("target") : row("draft")];
    for (const weight of [1, 0.7, 0.01, 0]) {
      const whole = residual(target, draft, weight);
      for (let i = 0; i < 20; i++) {
        const coin = i === 0 ? lowest : i === 1 ? highest : uniform(foldIn(keyOf(seed), i));
        assertEquals(sampleResidual(target, draft, weight, coin), sample(whole, coin));
      }
    }
  }
});
