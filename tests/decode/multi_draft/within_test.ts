/** `Q(H)` of distinct drafts in one scan against its definition, for tokens of every size. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { foldIn, keyOf, normals, permutation } from "../../../src/core/random.ts";
import {
  logitsOf,
  optimalAcceptance,
  type Probs,
  probsOf,
  recursiveAcceptance,
  softmax,
  withoutReplacement,
  withReplacement,
} from "../../../src/decode/mod.ts";
import { draftOutcomes } from "../../../src/decode/mod.ts";
import { pairs } from "./pairs.ts";

function drawn(seed: number, vocabulary: number, sharpness: number): Probs {
  return softmax(logitsOf(normals(keyOf(seed), vocabulary).map((value) => value * sharpness)));
}

/** The mass of all tokens but some, summed, so that nothing is lost beside a token near 1. */
function massWithout(probs: Probs, tokens: readonly number[]): number {
  return probs.reduce((sum, value, token) => tokens.includes(token) ? sum : sum + value, 0);
}

Deno.test("two distinct drafts in a set: the double sum", () => {
  for (const sharpness of [0.1, 1, 5, 20]) {
    const probs = drawn(1, 60, sharpness);
    const order = permutation(keyOf(2), 60);
    const within = withoutReplacement(probs, 2).within(order);
    within.forEach((value, i) => {
      const set = [...order.subarray(0, i + 1)];
      const expected = set.reduce((sum, first) => {
        const second = set.reduce((mass, token) => token === first ? mass : mass + probs[token], 0);
        return sum + probs[first] * second / massWithout(probs, [first]);
      }, 0);
      assertAlmostEquals(value, expected, 1e-12);
    });
  }
});

Deno.test("three and four distinct drafts in a set: the sum over all tuples", () => {
  for (const count of [3, 4]) {
    for (const sharpness of [0.1, 1, 5, 12]) {
      const probs = drawn(3, 11, sharpness);
      const order = permutation(keyOf(4), 11);
      const law = withoutReplacement(probs, count);
      const rank = new Map([...order].map((token, i) => [token, i]));
      const ends = new Float64Array(11);
      for (const { tokens, probability } of draftOutcomes(law)) {
        ends[Math.max(...tokens.map((token) => rank.get(token) ?? 0))] += probability;
      }
      let expected = 0;
      law.within(order).forEach((value, i) => {
        expected += ends[i];
        assertAlmostEquals(value, expected, 1e-12, `${count} drafts, sharpness ${sharpness}`);
      });
    }
  }
});

Deno.test("a set that leaves tokens out, or a draft with few tokens, is counted right", () => {
  for (const { p } of pairs(6, 2)) {
    for (const count of [1, 2, 3, 4]) {
      const law = withoutReplacement(p, count);
      const order = Int32Array.of(4, 1, 3, 0);
      const within = law.within(order);
      order.forEach((_, i) => {
        const set = order.subarray(0, i + 1);
        let expected = 0;
        for (const { tokens, probability } of draftOutcomes(law)) {
          if (tokens.every((token) => set.includes(token))) expected += probability;
        }
        assertAlmostEquals(within[i], expected, 1e-11);
      });
    }
  }
});

Deno.test("a vocabulary of many tokens that are never drafted changes nothing", () => {
  const spread = (probs: Probs): Probs => {
    const wide = new Float64Array(49_152);
    probs.forEach((value, i) => wide[i * 7] = value);
    return probsOf(wide);
  };
  const [q, p] = [drawn(5, 500, 3), drawn(6, 500, 3)];
  for (const count of [2, 3, 4]) {
    for (const make of [withReplacement, withoutReplacement]) {
      const narrow = optimalAcceptance(q, make(p, count));
      assertAlmostEquals(optimalAcceptance(spread(q), make(spread(p), count)), narrow, 1e-12);
    }
  }
});

Deno.test("thousands of equal tokens: distinct drafts are a choice of that many", () => {
  const size = 2000;
  const probs = probsOf(new Float64Array(size).fill(1 / size));
  const order = Int32Array.from({ length: size }, (_, i) => i);
  for (const count of [2, 3, 4]) {
    const within = withoutReplacement(probs, count).within(order);
    for (const held of [count - 1, count, 100, 1000, 1999, 2000]) {
      let expected = 1;
      for (let i = 0; i < count; i++) expected *= (held - i) / (size - i);
      assertAlmostEquals(within[held - 1], Math.max(0, expected), 1e-11);
    }
    assertEquals(within[count - 2], 0);
  }
});

Deno.test("many tokens: distinct drafts gain over independent ones, which gain over recursion", () => {
  const key = keyOf(7);
  for (const sharpness of [1, 3]) {
    const noise = normals(foldIn(key, sharpness), 3000);
    const logits = normals(foldIn(key, "shared"), 3000).map((value) => value * sharpness);
    const q = softmax(logitsOf(logits));
    const p = softmax(logitsOf(logits.map((value, i) => value + noise[i])));
    const independent = withReplacement(p, 3);
    const recursive = recursiveAcceptance(q, independent);
    const optimum = optimalAcceptance(q, independent);
    assert(optimum > recursive + 1e-3, `${optimum}, ${recursive}`);
    assert(optimalAcceptance(q, withoutReplacement(p, 3)) >= optimum);
  }
});
