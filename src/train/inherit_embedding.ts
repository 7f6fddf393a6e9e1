/**
 * A draft's first embedding out of its target's: the directions in which the target's tokens differ
 * most (principal components), so that tokens that the target takes for alike begin alike.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type DenseHostTensor, hostTensor } from "../core/host_tensor.ts";
import { keyOf, normals } from "../core/random.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";

/** Spread of a new embedding's elements, as that of embeddings that are drawn. */
const DEVIATION = 0.02;
/** Rounds of subspace iteration; the last components need not be exact. */
const ROUNDS = 24;

/** The target's embedding. */
export interface TargetEmbedding {
  /** f32 `[vocabulary, width]`, row-major. */
  readonly values: Float32Array;
  /** Length of a row. */
  readonly width: number;
}

/** Rows of the target for each of the draft's classes; the class `other` is the mean of the rest. */
function classRows(
  { values, width }: TargetEmbedding,
  vocabulary: TrimmedVocabulary | undefined,
): Float32Array {
  if (vocabulary === undefined) return values.slice();
  const rows = new Float32Array(vocabulary.classes * width);
  const outside = values.length / width - vocabulary.other;
  for (let token = 0; token * width < values.length; token++) {
    const to = vocabulary.classOf(token) * width;
    const weight = to === vocabulary.other * width ? 1 / outside : 1;
    for (let i = 0; i < width; i++) rows[to + i] += weight * values[token * width + i];
  }
  return rows;
}

/** Takes the mean row off: it changes no distribution. */
function centre(rows: Float32Array, width: number): void {
  const count = rows.length / width;
  const mean = new Float64Array(width);
  for (let i = 0; i < rows.length; i++) mean[i % width] += rows[i] / count;
  for (let i = 0; i < rows.length; i++) rows[i] -= mean[i % width];
}

/** The sums of products of columns, `[width, width]`. */
function gram(rows: Float32Array, width: number): Float64Array {
  const sums = new Float64Array(width * width);
  for (let at = 0; at < rows.length; at += width) {
    for (let i = 0; i < width; i++) {
      const value = rows[at + i];
      for (let j = 0; j < width; j++) sums[i * width + j] += value * rows[at + j];
    }
  }
  return sums;
}

/** Makes vectors, one after the other in `basis`, orthonormal (modified Gram-Schmidt). */
function orthonormalize(basis: Float64Array, length: number): void {
  for (let at = 0; at < basis.length; at += length) {
    const own = basis.subarray(at, at + length);
    for (let before = 0; before < at; before += length) {
      const earlier = basis.subarray(before, before + length);
      const along = dot(own, earlier);
      for (let i = 0; i < length; i++) own[i] -= along * earlier[i];
    }
    const size = Math.sqrt(dot(own, own)) || 1;
    for (let i = 0; i < length; i++) own[i] /= size;
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** The `count` main directions of rows, one after the other, `[count, width]`. */
function mainDirections(rows: Float32Array, width: number, count: number): Float64Array {
  const products = gram(rows, width);
  let basis = Float64Array.from(normals(keyOf(1), count * width));
  for (let round = 0; round < ROUNDS; round++) {
    orthonormalize(basis, width);
    const next = new Float64Array(basis.length);
    for (let at = 0; at < basis.length; at += width) {
      const own = basis.subarray(at, at + width);
      for (let i = 0; i < width; i++) {
        next[at + i] = dot(products.subarray(i * width, (i + 1) * width), own);
      }
    }
    basis = next;
  }
  orthonormalize(basis, width);
  return basis;
}

/** Rows in the coordinates of some directions, `[rows, directions]`, of the usual spread. */
function projected(rows: Float32Array, width: number, directions: Float64Array): Float32Array {
  const count = directions.length / width;
  const made = new Float32Array(rows.length / width * count);
  for (let row = 0; row * width < rows.length; row++) {
    for (let k = 0; k < count; k++) {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += rows[row * width + i] * directions[k * width + i];
      made[row * count + k] = sum;
    }
  }
  const square = made.reduce((sum, value) => sum + value * value, 0) / made.length;
  const scale = DEVIATION / (Math.sqrt(square) || 1);
  return made.map((value) => value * scale);
}

/**
 * Weights whose embedding is the target's in as many dimensions as the draft has; all others stay.
 *
 * @param parameters a draft's first weights, its head tied to the embedding
 * @param target the target's embedding, at least as wide
 * @param vocabulary the classes that the draft knows; all of the target's tokens if left out
 * @throws OutriderError where the sizes do not fit
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { inheritEmbedding } from "@outrider/outrider/train";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const draft = initLlama(keyOf(1), tinyLlama({ width: 8, vocabulary: 3 }));
 * const values = new Float32Array(3 * 16);
 * values.fill(1, 0, 32); // tokens 0 and 1 are alike
 * const { embedding } = inheritEmbedding(draft, { values, width: 16 });
 * assertEquals(embedding.data.slice(0, 8), embedding.data.slice(8, 16));
 * assert(embedding.data[0] !== embedding.data[16]);
 * ```
 */
export function inheritEmbedding(
  parameters: LlamaParameters<DenseHostTensor>,
  target: TargetEmbedding,
  vocabulary?: TrimmedVocabulary,
): LlamaParameters<DenseHostTensor> {
  const { embedding } = parameters;
  const [classes, width] = embedding.shape;
  const rows = classRows(target, vocabulary);
  if (rows.length !== classes * target.width || width > target.width) {
    throw new OutriderError(
      `an embedding of ${classes} tokens, at least ${width} wide`,
      `${rows.length / target.width} tokens, ${target.width} wide`,
      "pass the embedding of the draft's own target",
    );
  }
  centre(rows, target.width);
  const directions = mainDirections(rows, target.width, width);
  const values = projected(rows, target.width, directions);
  return { ...parameters, embedding: hostTensor(values, embedding.shape) };
}
