/** Blocks in packed texts: what each row sees, drafts and is taught. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { foldIn, keyOf, uniformInteger } from "../../src/core/random.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { batches, type Corpus, corpusOf, responseDocument } from "../../src/data/mod.ts";
import { trimmedVocabulary } from "../../src/nn/mod.ts";
import { anchoredSource } from "../../src/train/block_rows.ts";
import { blockBatch, type BlockBatchOptions } from "../../src/train/mod.ts";

const WIDTH = 2;
/** Documents whose tokens and features say which they are: token 100 d + i is the i-th of document d. */
const DOCUMENTS = Array.from({ length: 30 }, (_, d) => {
  const key = foldIn(keyOf(9), d);
  const prompt = 1 + uniformInteger(foldIn(key, "prompt"), 4);
  const response = 1 + uniformInteger(foldIn(key, "response"), 9);
  const tokens = Array.from({ length: prompt + response }, (_, i) => 100 * d + i);
  return {
    prompt,
    ...responseDocument(tokens.slice(0, prompt), tokens.slice(prompt)),
    teacher: () =>
      tokens.slice(prompt).map((token) => ({
        tokens: Int32Array.of(token, 5000),
        logProbs: Float32Array.of(Math.log(0.75), Math.log(0.25)),
      })),
    features: (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => Float32Array.of(d, from + i)),
  };
});
const CORPUS: Corpus = corpusOf(DOCUMENTS);
const OPTIONS: BlockBatchOptions = {
  config: { block: 4, features: WIDTH },
  anchors: 12,
  teacher: { kept: 2 },
};
const ROWS = 40;
const packed = batches(CORPUS, { key: keyOf(1), rowsPerBatch: ROWS, sequenceLength: 30 });

/** Document and place of a token. */
const placeOf = (token: number) => ({ d: Math.floor(token / 100), i: token % 100 });

Deno.test("every row sees the text before its block and its own block, and drafts what comes there", () => {
  for (let step = 0; step < 20; step++) {
    const text = packed.at(step);
    const batch = blockBatch(text, keyOf(step), OPTIONS);
    const { anchors, config: { block } } = OPTIONS;
    assertEquals(batch.tokens.shape, [anchors * block]);
    for (let row = 0; row < anchors * block; row++) {
      const place = Math.floor(row / anchors);
      const at = (column: { readonly data: ArrayLike<number> }) => column.data[row];
      const isUsed = at(batch.end) > at(batch.start);
      assertEquals(at(batch.places), place);
      // The slots of its block are those of the rows that begin with the same token.
      const own = Array.from({ length: block }, (_, k) => ROWS + k * anchors + row % anchors);
      assertEquals([...batch.extra.data.subarray(row * block, (row + 1) * block)], own);
      if (!isUsed) {
        assertEquals(at(batch.mask), 0);
        continue;
      }
      const { d, i } = placeOf(at(batch.tokens));
      const { tokens, prompt } = DOCUMENTS[d];
      assertEquals(at(batch.positions), i + place);
      // The window holds the features of the same text's tokens before it, all of them, in order.
      const seen = Array.from({ length: at(batch.end) - at(batch.start) }, (_, k) => {
        const first = (at(batch.start) + k) * WIDTH;
        return [...batch.features.data.subarray(first, first + WIDTH)];
      });
      assertEquals(seen, Array.from({ length: i }, (_, k) => [d, k]));
      assertEquals(at(batch.last), at(batch.end) - 1);
      assertEquals(batch.contextPositions.data[at(batch.last)], i - 1);
      // A block begins where the next token is part of the response.
      assert(i >= 1 && i + 1 >= prompt);
      const drafted = i + place + 1;
      assertEquals(at(batch.mask), drafted < tokens.length ? 1 : 0);
      const listed = [...batch.teacher.classes.data.subarray(2 * row, 2 * row + 2)];
      assertEquals(listed, drafted < tokens.length ? [tokens[drafted], 5000] : [-1, -1]);
    }
  }
});

Deno.test("anchors are distinct, differ by key, reach every place, and are all there where they fit", () => {
  const text = packed.at(0);
  const possible = [...text.lossMask].filter((it, row) => it > 0 && text.positions[row] > 0).length;
  assert(possible > OPTIONS.anchors);
  const seen = new Set<number>();
  for (let seed = 0; seed < 60; seed++) {
    const { tokens } = blockBatch(text, keyOf(seed), OPTIONS);
    const first = [...tokens.data.subarray(0, OPTIONS.anchors)];
    assertEquals(new Set(first).size, OPTIONS.anchors);
    first.forEach((token) => seen.add(token));
  }
  assertEquals(seen.size, possible);
  const all = blockBatch(text, keyOf(1), { ...OPTIONS, anchors: 40 });
  const used = [...all.end.data.subarray(0, 40)].filter((end) => end > 0).length;
  assertEquals(used, possible);
});

Deno.test("a batch follows from the key and its place in the data: a run that goes on has the same", () => {
  const source = () =>
    anchoredSource(packed, keyOf(4), (texts, key) => blockBatch(texts, key, OPTIONS));
  const take = (count: number) => {
    const { init, step } = source();
    let positions = init();
    return Array.from({ length: count }, () => {
      const before = positions;
      const made = step(positions);
      positions = made.positions;
      return { before, batch: made.batch };
    });
  };
  const whole = take(12);
  for (const { before, batch } of whole.toReversed()) {
    assertEquals(source().step(JSON.parse(JSON.stringify(before))).batch, batch);
  }
  const anchorsOf = ({ batch }: typeof whole[number]) => [...batch.tokens.data];
  // In the next epoch the same texts have other anchors.
  assertEquals(new Set(whole.map((one) => anchorsOf(one).join())).size, whole.length);
});

Deno.test("tokens that are not drafted count as one; what is missing is one clear error", () => {
  const vocabulary = trimmedVocabulary([100, 101, 102], 6000);
  const batch = blockBatch(packed.at(0), keyOf(1), {
    ...OPTIONS,
    teacher: { kept: 2, vocabulary },
  });
  batch.mask.data.forEach((weight, row) => {
    const probs = batch.teacher.probs.data.subarray(3 * row, 3 * row + 3);
    const total = [...probs].reduce((sum, p) => sum + p, 0);
    assert(Math.abs(total - weight) < 1e-6);
    assert(probs[2] > 0.2 || weight === 0, "what is not drafted has the tail at least");
  });
  const narrow = { ...OPTIONS, config: { block: 4, features: 3 } };
  assertThrows(() => blockBatch(packed.at(0), keyOf(1), narrow), OutriderError, "features of 3");
  const untaught = corpusOf(DOCUMENTS.map(({ tokens, weights, features }) => ({
    tokens,
    weights,
    features,
  })));
  const bare = batches(untaught, { key: keyOf(1), rowsPerBatch: ROWS, sequenceLength: 30 }).at(0);
  assertThrows(() => blockBatch(bare, keyOf(1), OPTIONS), OutriderError, "a token without");
});
