/** What a device sums up of a row is enough to find its head and to draw from its nucleus. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { evaluateGraph } from "../../src/backends/reference/mod.ts";
import { foldIn, keyOf, normals, uniform } from "../../src/core/random.ts";
import { constant } from "../../src/core/mod.ts";
import {
  argmax,
  chainWarps,
  type Logits,
  logitsOf,
  nucleus,
  probabilities,
  sample,
  temperature,
  topP,
  topTokens,
} from "../../src/decode/mod.ts";
import {
  drawFromNucleus,
  hasStatistics,
  isSound,
  likeliestToken,
  logitStatistics,
  type RowStatistics,
  topOfRow,
} from "../../src/decode/row_statistics.ts";

const VOCABULARY = 2048;

/** Rows from sharp to flat, with ties. */
function rowOf(index: number): Logits {
  const values = normals(foldIn(keyOf(8), index), VOCABULARY);
  const width = [0.1, 1, 3, 9][index % 4];
  return logitsOf(values.map((value) => Math.round(value * width * 16) / 16));
}

function statisticsOf(logits: Logits, at: number): RowStatistics {
  const made = logitStatistics(
    constant(logits, [1, VOCABULARY]),
    constant(Float32Array.of(at), [1, 1]),
  );
  const [maxima, sums, plain] = evaluateGraph([made.maxima, made.sums, made.plainSums], new Map());
  return { logits, maxima: Float32Array.from(maxima), sum: sums[0], plainSum: plain[0] };
}

Deno.test("the head of a row is that of the whole row, ties by the lower id", () => {
  for (let index = 0; index < 12; index++) {
    const logits = rowOf(index);
    const row = statisticsOf(logits, 1);
    assert(isSound(row));
    for (const count of [1, 7, 31, 32, 64, 500]) {
      const [found, wanted] = [topOfRow(row, count), topTokens(logits, count)];
      assertEquals(found.tokens, wanted.tokens);
      wanted.logProbs.forEach((value, i) => assertAlmostEquals(found.logProbs[i], value, 2e-5));
    }
  }
});

Deno.test("a coin draws from the nucleus what it draws from the whole row", () => {
  let drawn = 0;
  for (let index = 0; index < 24; index++) {
    const logits = rowOf(index);
    for (const at of [0.3, 0.7, 1, 1.5]) {
      const row = statisticsOf(logits, at);
      for (const mass of [0.3, 0.8, 0.95]) {
        const probs = probabilities(chainWarps(temperature(at), topP(mass)), logits, []);
        assertEquals(probabilities(nucleus(at, mass), logits, []), probs);
        for (let i = 0; i < 20; i++) {
          const coin = uniform(foldIn(foldIn(keyOf(index), i), at * 10 + mass));
          const token = drawFromNucleus(row, { temperature: at, mass }, coin);
          if (token === undefined) continue;
          assertEquals(token, sample(probs, coin));
          drawn++;
        }
      }
    }
  }
  assert(drawn > 3000, `only ${drawn} draws by the short way`);
});

Deno.test("rows that are not numbers are not drawn from, and odd vocabularies have no statistics", () => {
  for (const bad of [NaN, Infinity]) {
    const logits = Float32Array.from(rowOf(1));
    logits[77] = bad;
    assert(!isSound(statisticsOf(logitsOf(logits), 1)));
  }
  assertEquals([512, 1024, 1025, 49_152].map(hasStatistics), [false, true, false, true]);
});

Deno.test("block maxima lead to the likeliest token of the whole row, or say that there is none", () => {
  const likeliest = (logits: Logits) => likeliestToken(logits, statisticsOf(logits, 1).maxima);
  const changed = (index: number, changes: readonly (readonly [number, number])[]) => {
    const logits = Float32Array.from(rowOf(index));
    for (const [token, value] of changes) logits[token] = value;
    return logitsOf(logits);
  };
  for (let index = 0; index < 40; index++) {
    assertEquals(likeliest(rowOf(index)), argmax(rowOf(index)));
    for (const [first, last] of [[0, 2047], [63, 64], [130, 131]]) {
      assertEquals(likeliest(changed(index, [[last, 99], [first, 99]])), first);
    }
    assertEquals(
      likeliest(changed(index, [[5, -Infinity], [70, -Infinity]])),
      argmax(rowOf(index)),
    );
    for (const bad of [NaN, Infinity]) {
      for (const token of [0, 64, 1000, 2047]) {
        assertEquals(likeliest(changed(index, [[token, bad]])), undefined);
      }
    }
  }
  assertEquals(likeliest(logitsOf(new Float32Array(VOCABULARY).fill(-Infinity))), undefined);
});
