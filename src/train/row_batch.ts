/**
 * Training batches: packed rows of tokens with what each row sees and what it is scored on.
 *
 * @module
 */
import { add } from "../core/elementwise_ops.ts";
import { type DenseHostTensor, hostTensor } from "../core/host_tensor.ts";
import { iota } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { OutriderError } from "../core/errors.ts";
import type { TeacherRow } from "../data/teacher_rows.ts";
import type { CachedProbs } from "../losses/cached_teacher.ts";
import type { LlamaRows } from "../nn/llama.ts";
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import { rowsThatCount, type ScoredRows } from "./scored_rows.ts";

/** What a row that a draft wrote itself sees, and what became of the token drafted to follow it. */
export interface OnPolicyColumns<Leaf> {
  /** i32 `[rows]`: the row behind the last of the window that a row sees. */
  readonly ends: Leaf;
  /** i32 `[rows, n]`: further rows that it sees, -1 for none; left out where no row has any. */
  readonly branches?: Leaf;
  /** i32 `[rows]`: how deep in a rejected suffix the drafted token was, from 0; -1 where in none. */
  readonly rejectedDepth: Leaf;
}

/** The arrays of a batch, `[rows]` each where not said otherwise: documents one after another. */
export interface RowBatch<Leaf> {
  /** i32 token ids. */
  readonly tokens: Leaf;
  /** i32 ids of the tokens that follow; -1 where nothing does. */
  readonly targets: Leaf;
  /** f32: 1 where a row is scored against the target model's distribution. */
  readonly distillationMask: Leaf;
  /** f32: 1 where a row is scored on the token that follows. */
  readonly textMask: Leaf;
  /** i32: the first row of each row's document, which is the first that it sees. */
  readonly starts: Leaf;
  /** i32: positions, from 0 in every document. */
  readonly positions: Leaf;
  /** The teacher's likeliest classes of the token after each row, where they are cached. */
  readonly teacher?: CachedProbs<Leaf>;
  /** What rows that a draft wrote itself have besides. */
  readonly onPolicy?: OnPolicyColumns<Leaf>;
  /** The rows that finetuning scores; left out where it looks at all of them. */
  readonly scored?: ScoredRows<Leaf>;
}

/** A batch in host memory as packing gives it. */
export interface PackedRows {
  /** Token ids. */
  readonly tokens: Int32Array;
  /** Ids of the tokens that follow; -1 where nothing does. */
  readonly targets: Int32Array;
  /** Weight of each row in the loss. */
  readonly lossMask: Float32Array;
  /** The first row of each row's document. */
  readonly starts: Int32Array;
  /** Positions, from 0 in every document. */
  readonly positions: Int32Array;
  /** The teacher's distribution of the token after each row, where one is kept. */
  readonly teacher?: readonly (TeacherRow | undefined)[];
}

const zeros = ({ tokens }: PackedRows): Float32Array => new Float32Array(tokens.length);

function hostBatch(
  rows: PackedRows,
  distillationMask: Float32Array,
  textMask: Float32Array,
): RowBatch<DenseHostTensor> {
  return {
    tokens: hostTensor(rows.tokens),
    targets: hostTensor(rows.targets),
    distillationMask: hostTensor(distillationMask),
    textMask: hostTensor(textMask),
    starts: hostTensor(rows.starts),
    positions: hostTensor(rows.positions),
  };
}

/**
 * Rows scored on the token that follows: pretraining.
 *
 * @example
 * ```ts
 * import { textBatch } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = {
 *   tokens: Int32Array.of(3, 1, 4),
 *   targets: Int32Array.of(1, 4, -1),
 *   lossMask: Float32Array.of(1, 1, 0),
 *   starts: Int32Array.of(0, 0, 0),
 *   positions: Int32Array.of(0, 1, 2),
 * };
 * assertEquals(textBatch(rows).distillationMask.data, Float32Array.of(0, 0, 0));
 * ```
 */
export function textBatch(rows: PackedRows): RowBatch<DenseHostTensor> {
  return hostBatch(rows, zeros(rows), rows.lossMask);
}

/**
 * Rows of a distillation set, with pretraining rows behind them where some are given.
 *
 * @example
 * ```ts
 * import { distillationBatch } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = {
 *   tokens: Int32Array.of(3, 1, 4),
 *   targets: Int32Array.of(1, 4, -1),
 *   lossMask: Float32Array.of(1, 1, 0),
 *   starts: Int32Array.of(0, 0, 0),
 *   positions: Int32Array.of(0, 1, 2),
 * };
 * const { distillationMask, starts } = distillationBatch(rows, rows);
 * assertEquals(distillationMask.data, Float32Array.of(1, 1, 0, 0, 0, 0));
 * assertEquals(starts.data, Int32Array.of(0, 0, 0, 3, 3, 3));
 * ```
 */
export function distillationBatch(
  rows: PackedRows,
  pretraining?: PackedRows,
): RowBatch<DenseHostTensor> {
  const distillation = hostTensor(rowsThatCount(rows.lossMask));
  if (pretraining === undefined) {
    return { ...hostBatch(rows, rows.lossMask, zeros(rows)), scored: { distillation } };
  }
  const shift = rows.tokens.length;
  const both = {
    tokens: joined(rows.tokens, pretraining.tokens),
    targets: joined(rows.targets, pretraining.targets),
    lossMask: new Float32Array(),
    starts: joined(rows.starts, pretraining.starts.map((start) => start + shift)),
    positions: joined(rows.positions, pretraining.positions),
  };
  const distillationMask = joined(rows.lossMask, zeros(pretraining));
  const textMask = joined(zeros(rows), pretraining.lossMask);
  const text = hostTensor(rowsThatCount(pretraining.lossMask, shift));
  return { ...hostBatch(both, distillationMask, textMask), scored: { distillation, text } };
}

function joined(a: Int32Array, b: Int32Array): Int32Array;
function joined(a: Float32Array, b: Float32Array): Float32Array;
function joined(a: Int32Array | Float32Array, b: Int32Array | Float32Array): typeof a {
  const length = a.length + b.length;
  const both = a instanceof Int32Array ? new Int32Array(length) : new Float32Array(length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** The rows of a training step: every row sees its document up to itself, or what it branched from. */
export function trainingRows({ tokens, positions, starts, onPolicy }: RowBatch<Tensor>): LlamaRows {
  const end = onPolicy?.ends ?? add(iota(tokens.shape, 0), 1);
  const extra = onPolicy?.branches;
  return { tokens, positions, start: starts, end, ...(extra === undefined ? {} : { extra }) };
}

/** How a cached teacher's rows become arrays. */
export interface CachedTeacher {
  /** Tokens kept of each row. */
  readonly kept: number;
  /** The classes that the draft knows; all of the teacher's tokens if left out. */
  readonly vocabulary?: TrimmedVocabulary;
}

/**
 * The teacher's cached distributions as arrays, `[rows, k]`; rows that have none must not count.
 *
 * Tokens outside of a trimmed vocabulary are put together in its class `other`.
 *
 * @param mask `[rows]`, not 0 where a row counts
 * @throws OutriderError where a row counts and has no distribution
 * @example
 * ```ts
 * import { cachedColumns } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const row = { tokens: Int32Array.of(4, 2), logProbs: Float32Array.of(0, -Infinity) };
 * const { classes } = cachedColumns([row, undefined], Float32Array.of(1, 0), { kept: 2 });
 * assertEquals([...classes.data], [4, 2, -1, -1]);
 * ```
 */
export function cachedColumns(
  rows: readonly (TeacherRow | undefined)[],
  mask: ArrayLike<number>,
  teacher: CachedTeacher,
): CachedProbs<DenseHostTensor> {
  const { kept, vocabulary } = teacher;
  const count = mask.length;
  const width = vocabulary === undefined ? kept : kept + 1;
  const classes = new Int32Array(count * width).fill(-1);
  const probs = new Float32Array(count * width);
  for (let row = 0; row < count; row++) {
    const known = rows[row];
    if (known !== undefined) placeRow(known, teacher, row * width, { classes, probs });
    else if (mask[row] !== 0) {
      throw new OutriderError(
        "the teacher's distribution of every response token",
        "a token without",
        "write the set with --teacher-tokens, or finetune with the target itself",
      );
    }
  }
  const shape = [count, width];
  return { classes: hostTensor(classes, shape), probs: hostTensor(probs, shape) };
}

/** A batch with the teacher's cached distributions beside, as {@link cachedColumns} has them. */
export function cachedTeacherBatch(
  batch: RowBatch<DenseHostTensor>,
  rows: readonly (TeacherRow | undefined)[],
  teacher: CachedTeacher,
): RowBatch<DenseHostTensor> {
  return { ...batch, teacher: cachedColumns(rows, batch.distillationMask.data, teacher) };
}

function placeRow(
  { tokens, logProbs }: TeacherRow,
  { kept, vocabulary }: CachedTeacher,
  first: number,
  { classes, probs }: { readonly classes: Int32Array; readonly probs: Float32Array },
): void {
  let outside = 0;
  for (let i = 0; i < Math.min(kept, tokens.length); i++) {
    const place = vocabulary?.classOf(tokens[i]) ?? tokens[i];
    const probability = Math.exp(logProbs[i]);
    if (place === vocabulary?.other) outside += probability;
    else [classes[first + i], probs[first + i]] = [place, probability];
  }
  if (vocabulary === undefined || outside === 0) return;
  [classes[first + kept], probs[first + kept]] = [vocabulary.other, outside];
}
