/** Continuations behind blocks: the text's tokens, or the target's choice while the text agrees. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { foldIn, keyOf, uniform, uniformInteger } from "../../src/core/random.ts";
import { batches, corpusOf, responseDocument } from "../../src/data/mod.ts";
import { trimmedVocabulary } from "../../src/nn/mod.ts";
import { ctcBatch, type CtcBatchOptions } from "../../src/train/mod.ts";

const VOCABULARY = trimmedVocabulary([...Array(30).keys()].map((i) => 2 * i), 100);
/** Documents whose teacher would often have chosen another token; each token occurs once. */
const DOCUMENTS = Array.from({ length: 12 }, (_, d) => {
  const key = foldIn(keyOf(4), d);
  const prompt = 1 + uniformInteger(foldIn(key, "prompt"), 3);
  const response = 1 + uniformInteger(foldIn(key, "response"), 7);
  const tokens = Array.from({ length: prompt + response }, (_, i) => (8 * d + i) % 96);
  const chosen = tokens.slice(prompt).map((token, i) =>
    uniform(foldIn(key, i)) < 0.4 ? 97 - token % 2 : token
  );
  return {
    tokens: { all: tokens, chosen: [...new Array(prompt).fill(-1), ...chosen] },
    ...{ prompt, document: responseDocument(tokens.slice(0, prompt), tokens.slice(prompt)) },
    teacher: () =>
      chosen.map((token) => ({ tokens: Int32Array.of(token), logProbs: Float32Array.of(0) })),
  };
});
const features = (_: number, count: number) =>
  Array.from({ length: count }, () => Float32Array.of(0));
const OPTIONS: Omit<CtcBatchOptions, "of"> = {
  ...{ config: { block: 4, features: 1 }, anchors: 14, labels: 3, vocabulary: VOCABULARY },
};
const corpus = corpusOf(
  DOCUMENTS.map(({ document, teacher }) => ({ ...document, teacher, features })),
);
const packed = batches(corpus, { key: keyOf(1), rowsPerBatch: 40, sequenceLength: 30 });

/** The document and the place of the token that a block of the first batch begins with. */
function placesOf(batch: ReturnType<typeof ctcBatch>, first: { readonly starts: Int32Array }) {
  return Array.from({ length: OPTIONS.anchors }, (_, anchor) => {
    const [start, end] = [batch.start.data[anchor], batch.end.data[anchor]];
    if (end === start) return undefined;
    assertEquals(first.starts[start], start);
    const texts = packed.at(0).tokens;
    const d = DOCUMENTS.findIndex(({ tokens: { all } }) =>
      all.every((token, i) => i === all.length - 1 || texts[start + i] === token)
    );
    return { d, i: end - start };
  });
}

for (const tokens of ["text", "greedy"] as const) {
  Deno.test(`a block's continuation is the target's, as far as it is known: ${tokens}`, () => {
    const text = packed.at(0);
    const lengths = new Set<number>();
    for (let seed = 0; seed < 20; seed++) {
      const batch = ctcBatch(text, keyOf(seed), { ...OPTIONS, of: tokens });
      const { labels, lengths: found } = batch.targets;
      assertEquals(labels.shape, [14, 3]);
      placesOf(batch, text).forEach((place, anchor) => {
        const expected: number[] = [];
        if (place !== undefined) {
          const { all, chosen } = DOCUMENTS[place.d].tokens;
          for (let at = place.i + 1; at < all.length && expected.length < 3; at++) {
            expected.push(VOCABULARY.classOf(tokens === "text" ? all[at] : chosen[at]));
            if (tokens === "greedy" && chosen[at] !== all[at]) break;
          }
        }
        const row = [...labels.data.subarray(3 * anchor, 3 * anchor + 3)];
        assertEquals(row, [...expected, -1, -1, -1].slice(0, 3));
        assertEquals(found.data[anchor], expected.length);
        lengths.add(expected.length);
      });
    }
    assertEquals(lengths, new Set([1, 2, 3]));
  });
}

Deno.test("where the texts have fewer places, the rest has no continuation", () => {
  const batch = ctcBatch(packed.at(0), keyOf(1), { ...OPTIONS, anchors: 60, of: "text" });
  const lengths = [...batch.targets.lengths.data];
  assert(lengths.includes(0) && lengths[0] > 0);
  assert(lengths.every((length, i) => (length > 0) === (batch.end.data[i] > batch.start.data[i])));
});

Deno.test("what cannot be learnt is one clear error", () => {
  const text = packed.at(0);
  for (const labels of [0, 5]) {
    const wrong = () => ctcBatch(text, keyOf(1), { ...OPTIONS, labels, of: "text" });
    assertThrows(wrong, OutriderError, "1 to 4 tokens of a continuation");
  }
  const bare = corpusOf(DOCUMENTS.map(({ document }) => ({ ...document, features })));
  const untaught = batches(bare, { key: keyOf(1), rowsPerBatch: 40, sequenceLength: 30 }).at(0);
  const greedy = () => ctcBatch(untaught, keyOf(1), { ...OPTIONS, of: "greedy" });
  assertThrows(greedy, OutriderError, "a token without");
  assert(ctcBatch(untaught, keyOf(1), { ...OPTIONS, of: "text" }).targets.lengths.data[0] > 0);
});
