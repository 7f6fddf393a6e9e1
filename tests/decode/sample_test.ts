/** Sampling and its coins. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { foldIn, keyOf, normals, uniform } from "../../src/core/random.ts";
import { sharesOf, wholeOf } from "../../src/decode/language_model.ts";
import { coinsOf, logitsOf, oneHot, probsOf, sample, softmax } from "../../src/decode/mod.ts";
import { sampleScaled } from "../../src/decode/sample.ts";
import { hashLogits } from "./mock_models.ts";

const highest = 1 - 2 ** -53;

Deno.test("each token owns an interval of coins as long as its probability", () => {
  for (let seed = 0; seed < 20; seed++) {
    const probs = softmax(logitsOf(hashLogits(seed, 6)([])));
    let begin = 0;
    for (const [token, probability] of probs.entries()) {
      assertEquals(sample(probs, begin + probability * 1e-9), token);
      assertEquals(sample(probs, begin + probability * (1 - 1e-9)), token);
      begin += probability;
    }
  }
});

Deno.test("the coins 0 and 1 - 2^-53 never choose an impossible token", () => {
  const probs = probsOf([0, 0.1, 0.2, 0.7, 0]);
  assertEquals([sample(probs, 0), sample(probs, highest)], [1, 3]);
  for (const coin of [0, highest]) assertEquals(sample(oneHot(4, 2), coin), 2);
});

Deno.test("probabilities whose rounded sum stays below a coin give the last possible token", () => {
  const tenths = probsOf(Array(10).fill(0.1));
  assert(tenths.reduce((sum, value) => sum + value) < 1);
  assertEquals(sample(tenths, highest), 9);
  assertEquals(sample(probsOf([...tenths, 0]), highest), 9);
});

Deno.test("a coin outside [0, 1) is refused", () => {
  for (const coin of [-0.1, 1, NaN]) {
    assertThrows(() => sample(probsOf([1]), coin), Error, "a coin in [0, 1)");
  }
});

Deno.test("coins belong to key, place and purpose, and to nothing else", () => {
  const coins = coinsOf(keyOf(3));
  const again = coinsOf(keyOf(3));
  again.sample(99);
  assertEquals(coins.sample(5), again.sample(5));
  assertEquals(coins.draft(5, 6), again.draft(5, 6));
  const others = [coins.sample(5), coins.draft(5, 5), coins.accept(5, 5), coins.draft(4, 5)];
  assertEquals(new Set([...others, coinsOf(keyOf(4)).sample(5)]).size, 5);
  assertNotEquals(coins.accept(4, 6), coins.accept(5, 6));
});

Deno.test("coins are uniform in mean and variance", () => {
  const coins = coinsOf(keyOf(11));
  const values = Array.from({ length: 4000 }, (_, i) => coins.draft(i, i + 1));
  const mean = values.reduce((sum, value) => sum + value) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  assertAlmostEquals(mean, 1 / 2, 0.02);
  assertAlmostEquals(variance, 1 / 12, 0.005);
});

Deno.test("weights are drawn from as their shares are, and what is left out never comes", () => {
  for (let seed = 0; seed < 30; seed++) {
    const weights = normals(foldIn(keyOf(seed), "weights"), 3 + seed).map((x) => Math.exp(9 * x));
    const sum = wholeOf(weights);
    const shares = sharesOf(weights);
    const without = sharesOf(weights, seed % weights.length);
    if (sum === undefined || shares === undefined || without === undefined) {
      throw new Error(`seed ${seed}: weights above 0 have shares`);
    }
    assertAlmostEquals(shares.reduce((a, b) => a + b), 1, 1e-12);
    assertEquals(without[seed % weights.length], 0);
    assertAlmostEquals(without.reduce((a, b) => a + b), 1, 1e-12);
    for (let i = 0; i < 20; i++) {
      const coin = i === 0 ? 0 : i === 1 ? 1 - 2 ** -53 : uniform(foldIn(keyOf(seed), i));
      const drawn = sampleScaled(weights.length, sum, (token) => weights[token], coin);
      assertEquals(drawn, sample(shares, coin));
    }
  }
  for (const bad of [[NaN, 1], [Infinity, 1], [0, 0], [1e-38, 1e-38]]) {
    assertEquals(sharesOf(Float32Array.from(bad)), undefined);
  }
  assertEquals(sharesOf(Float32Array.of(1, 1e-38), 0), undefined);
});
