/** A draft's first embedding keeps what tells the target's tokens apart. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { foldIn, keyOf, normals } from "../../src/core/random.ts";
import { initLlama, tinyLlama, trimmedVocabulary } from "../../src/nn/mod.ts";
import { inheritEmbedding } from "../../src/train/mod.ts";

const [VOCABULARY, WIDTH, DRAFT_WIDTH] = [60, 32, 8];

/** Tokens that differ in `rank` directions, all shifted alike. */
function embeddingOf(rank: number): Float32Array {
  const directions = normals(foldIn(keyOf(3), "directions"), rank * WIDTH);
  const places = normals(foldIn(keyOf(3), "places"), VOCABULARY * rank);
  return Float32Array.from({ length: VOCABULARY * WIDTH }, (_, at) => {
    const [token, i] = [Math.floor(at / WIDTH), at % WIDTH];
    let sum = 5;
    for (let k = 0; k < rank; k++) sum += places[token * rank + k] * directions[k * WIDTH + i];
    return sum;
  });
}

function distance(values: ArrayLike<number>, width: number, a: number, b: number): number {
  let sum = 0;
  for (let i = 0; i < width; i++) sum += (values[a * width + i] - values[b * width + i]) ** 2;
  return Math.sqrt(sum);
}

const draft = (vocabulary: number) =>
  initLlama(keyOf(1), tinyLlama({ width: DRAFT_WIDTH, vocabulary }));

Deno.test("distances of tokens stay where the draft has dimensions enough, up to one scale", () => {
  const values = embeddingOf(DRAFT_WIDTH);
  const before = draft(VOCABULARY);
  const after = inheritEmbedding(before, { values, width: WIDTH });
  const found = after.embedding.data;
  const scale = distance(found, DRAFT_WIDTH, 0, 1) / distance(values, WIDTH, 0, 1);
  for (let a = 0; a < VOCABULARY; a++) {
    for (let b = 0; b < a; b++) {
      const wanted = scale * distance(values, WIDTH, a, b);
      assertAlmostEquals(distance(found, DRAFT_WIDTH, a, b), wanted, 1e-4 * (1 + wanted));
    }
  }
  const square = Array.from(found, (value) => value ** 2).reduce((sum, value) => sum + value);
  assertAlmostEquals(Math.sqrt(square / found.length), 0.02, 1e-6);
  assertEquals(after.layers, before.layers, "all else stays");
});

Deno.test("fewer dimensions keep the directions in which tokens differ most", () => {
  const values = embeddingOf(20);
  const { data } = inheritEmbedding(draft(VOCABULARY), { values, width: WIDTH }).embedding;
  // The scale is unknown, so correlation of distances is what is compared with a random choice.
  const correlation = (row: ArrayLike<number>) => {
    let [xy, xx, yy] = [0, 0, 0];
    for (let a = 0; a < VOCABULARY; a++) {
      for (let b = 0; b < a; b++) {
        const [x, y] = [distance(values, WIDTH, a, b), distance(row, DRAFT_WIDTH, a, b)];
        [xy, xx, yy] = [xy + x * y, xx + x * x, yy + y * y];
      }
    }
    return xy / Math.sqrt(xx * yy);
  };
  const first = Float32Array.from(
    { length: VOCABULARY * DRAFT_WIDTH },
    (_, at) => values[Math.floor(at / DRAFT_WIDTH) * WIDTH + at % DRAFT_WIDTH],
  );
  assert(correlation(data) > correlation(first), "better than the first 8 of 32 dimensions");
});

Deno.test("of a trimmed vocabulary, the class of others is the mean of the tokens outside", () => {
  const values = embeddingOf(4);
  const kept = trimmedVocabulary(Array.from({ length: 20 }, (_, i) => 3 * i), VOCABULARY);
  const { data } = inheritEmbedding(draft(21), { values, width: WIDTH }, kept).embedding;
  const mean = new Float32Array(WIDTH);
  for (let token = 0; token < VOCABULARY; token++) {
    if (token % 3 === 0) continue;
    for (let i = 0; i < WIDTH; i++) mean[i] += values[token * WIDTH + i] / 40;
  }
  const rows = Float32Array.from(
    [...kept.tokenIds].flatMap((token) => [
      ...values.subarray(token * WIDTH, (token + 1) * WIDTH),
    ]).concat([...mean]),
  );
  const scale = distance(data, DRAFT_WIDTH, 0, 1) / distance(rows, WIDTH, 0, 1);
  for (let token = 0; token < 20; token++) {
    const wanted = scale * distance(rows, WIDTH, token, 20);
    assertAlmostEquals(distance(data, DRAFT_WIDTH, token, 20), wanted, 1e-4);
  }
});

Deno.test("an embedding of another vocabulary, or a narrower one, is refused", () => {
  const values = embeddingOf(4);
  assertThrows(
    () => inheritEmbedding(draft(61), { values, width: WIDTH }),
    OutriderError,
    "61 tokens",
  );
  assertThrows(
    () => inheritEmbedding(draft(VOCABULARY), { values: values.slice(0, 60 * 4), width: 4 }),
    OutriderError,
    "at least 8 wide",
  );
});
