/** PEARL's iterations emit the target's processed distribution: exactly, by enumeration. */
import { assert, assertEquals } from "@std/assert";
import {
  type AheadText,
  chainWarps,
  logitsOf,
  minP,
  oneHot,
  pearlPhase,
  pearlTransition,
  probabilities,
  repetitionPenalty,
  temperature,
  topK,
  topP,
  type Warp,
} from "../../../src/decode/mod.ts";
import type { Distribution } from "../enumeration.ts";
import { hashLogits } from "../mock_models.ts";
import {
  type AheadPair,
  assertPendingLaw,
  assertTargetLaw,
  beginning,
  iterate,
} from "./ahead_law.ts";

const warps: Record<string, Warp> = {
  "no warp": chainWarps(),
  "temperature 0.7": temperature(0.7),
  "temperature 0": temperature(0),
  "top-k 2": topK(2),
  "top-p 0.8": topP(0.8),
  "min-p 0.3": minP(0.3),
  "repetition penalty and temperature": chainWarps(repetitionPenalty(1.5), temperature(0.8)),
};

const prompt = [0, 1];

/** A warped model as a distribution, remembered per text; `lacks` is a token that it never draws. */
function distributionOf(
  seed: number,
  vocabulary: number,
  warp: Warp,
  lacks?: number,
): Distribution {
  const logits = hashLogits(seed, vocabulary);
  const known = new Map<string, ReturnType<Distribution>>();
  return (prefix) => {
    const name = prefix.join(" ");
    const row = logits(prefix);
    if (lacks !== undefined) row[lacks] = -Infinity;
    const probs = known.get(name) ?? probabilities(warp, logitsOf(row), prefix);
    known.set(name, probs);
    return probs;
  };
}

function pairOf(
  seed: number,
  { vocabulary, gamma, context = 64, draftContext = 64, lacks }:
    & Pick<AheadPair, "vocabulary" | "gamma">
    & { readonly context?: number; readonly draftContext?: number; readonly lacks?: number },
  warp: Warp,
): AheadPair {
  return {
    target: distributionOf(seed, vocabulary, warp),
    draft: distributionOf(seed + 100, vocabulary, warp, lacks),
    vocabulary,
    gamma,
    context,
    draftContext,
  };
}

/** Enough iterations for post-verify to follow post-verify where that can be summed over. */
const cases = [
  { vocabulary: 2, gamma: 1, iterations: 4 },
  { vocabulary: 2, gamma: 2, iterations: 4 },
  { vocabulary: 2, gamma: 3, iterations: 3 },
  { vocabulary: 3, gamma: 1, iterations: 4 },
  { vocabulary: 3, gamma: 2, iterations: 3 },
  { vocabulary: 3, gamma: 3, iterations: 2 },
];

for (const [name, warp] of Object.entries(warps)) {
  Deno.test(`every prefix that PEARL emits has the target's law with ${name}`, () => {
    for (const { iterations, ...sizes } of cases) {
      for (const lacks of [undefined, sizes.vocabulary - 1]) {
        const pair = pairOf(1 + sizes.gamma, { ...sizes, lacks }, warp);
        let outcomes = beginning(prompt);
        for (let step = 0; step < iterations; step++) {
          outcomes = iterate(pair, outcomes);
          assertTargetLaw(pair, prompt, outcomes);
          assertPendingLaw(pair, outcomes);
        }
      }
    }
  });

  Deno.test(`whole texts have the target's law where a context ends, with ${name}`, () => {
    for (const gamma of [1, 2, 3]) {
      for (const [context, draftContext] of [[2, 9], [4, 9], [5, 9], [5, 3], [5, 4], [5, 1]]) {
        const pair = pairOf(7, { vocabulary: 2, gamma, context, draftContext }, warp);
        let outcomes = beginning(prompt);
        for (let step = 0; step < context - 1; step++) outcomes = iterate(pair, outcomes);
        for (const { state: { text, pending } } of outcomes.values()) {
          assertEquals([text.length, pending.length], [context + 1, 0]);
        }
        assertTargetLaw(pair, prompt, outcomes);
      }
    }
  });
}

Deno.test("a draft that equals the target is never rejected, with any coin", () => {
  const { target } = pairOf(3, { vocabulary: 3, gamma: 3 }, temperature(0.9));
  for (const coin of [0, 0.5, 1 - 2 ** -53]) {
    const coins = { accept: Array(3).fill(coin), sample: Array(3).fill(coin) };
    let text: AheadText = { text: prompt, pending: [] };
    for (const expected of [1, 3, 3]) {
      const seen = [...text.text, ...text.pending.map(({ token }) => token)];
      const drafted = [2, 0, 1].map((token, i) => ({
        token,
        probs: target([...seen, ...[2, 0, 1].slice(0, i)]),
      }));
      const rows = [...text.pending, drafted[0]].map((_, i) =>
        target(seen.slice(0, text.text.length + i))
      );
      const step = pearlTransition(text, drafted, rows, coins);
      assertEquals([step.emitted.length, step.keep], [expected, undefined]);
      text = step.state;
    }
  }
});

Deno.test("one-hot distributions are compared, and a rejection ends what was drafted behind it", () => {
  const drafted = [0, 1, 2].map((token) => ({ token, probs: oneHot(3, token) }));
  const coins = { accept: [0.5, 0.5, 0.5], sample: [0.5, 0.5, 0.5] };
  const rows = (tokens: number[]) => tokens.map((token) => oneHot(3, token));
  const first = pearlTransition({ text: [1], pending: [] }, drafted, rows([0]), coins);
  assertEquals([first.emitted, first.keep, pearlPhase(first.state)], [
    [0],
    undefined,
    "post-verify",
  ]);
  const second = pearlTransition(first.state, drafted, rows([1, 0, 0]), coins);
  assertEquals([second.emitted, second.keep, pearlPhase(second.state)], [[1, 0], 3, "pre-verify"]);
  const other = pearlTransition(first.state, drafted, rows([1, 2, 1]), coins);
  assertEquals(
    [other.emitted, other.keep],
    [[1, 2, 1], 4],
    "the first new token is judged at once",
  );
  assert(pearlPhase(other.state) === "pre-verify");
});
