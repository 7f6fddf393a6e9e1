/**
 * Scores of hidden states, with the logits of all rows at once or of one chunk of rows after the
 * other.
 *
 * A chunk's gradients are computed right behind its score, in the forward pass, and then its logits
 * are forgotten: no `[rows, vocab]` array exists, and nothing is computed twice (Hsu et al. 2024,
 * Liger Kernel, arXiv 2410.10989).
 *
 * @module
 */
import { after } from "../core/after.ts";
import { add, div, full, mul } from "../core/elementwise_ops.ts";
import { OutriderError } from "../core/errors.ts";
import type { Scored } from "../core/grad.ts";
import { linear, sum } from "../core/linear_ops.ts";
import { concat, identity, sliceAxis } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { pullback } from "../core/vjp.ts";
import { withGradients } from "../core/with_gradients.ts";
import { countOf } from "./rows.ts";

/** What logits are computed from. */
export interface HiddenRows {
  /** f32 `[rows, width]`: the last hidden states, ready for the head. */
  readonly hidden: Tensor;
  /** f32 `[vocab, width]`: the head, or the embedding that it is tied to. */
  readonly head: Tensor;
}

/** Rows with their logits: all rows of a batch, or a chunk of them. */
export interface LogitRows {
  /** f32 `[chunk, vocab]` */
  readonly logits: Tensor;
  /** The rows of the chunk, `[chunk, ...]`, of an array of the batch, `[rows, ...]`. */
  readonly rowsOf: (whole: Tensor) => Tensor;
  /**
   * What the chunk adds to a mean over the rows of the batch that `mask`, f32 `[rows]`, counts;
   * `loss` gives the mean over the rows that the chunk's part of the mask counts.
   */
  readonly mean: (mask: Tensor, loss: (part: Tensor) => Tensor) => Tensor;
}

/** A scalar and further scalars by name. */
export type RowScore = Scored<Readonly<Record<string, Tensor>>>;

/**
 * From hidden states to a score. The function given sees the logits, and what it gives is added up
 * over chunks: so it puts whatever is a mean over rows into {@link LogitRows.mean}.
 *
 * Hidden states and head have gradients, and nothing else that the function reads.
 */
export type Scoring = (given: HiddenRows, score: (rows: LogitRows) => RowScore) => RowScore;

/**
 * Scores all rows at once, by the {@link Scoring} that is fastest where memory allows it: the
 * `[rows, vocab]` logits and their gradient exist as a whole.
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { kld, wholeLogits } from "@outrider/outrider/losses";
 * import { assertEquals } from "@std/assert";
 *
 * const [hidden, head, target, mask] = [[3, 2], [4, 2], [3, 4], [3]].map((shape) => input(shape));
 * const { value } = wholeLogits({ hidden, head }, ({ logits, rowsOf, mean }) => ({
 *   value: mean(mask, (part) => kld(logits, rowsOf(target), part)),
 *   auxiliary: {},
 * }));
 * assertEquals(value.shape, []);
 * ```
 */
export function wholeLogits(
  { hidden, head }: HiddenRows,
  score: (rows: LogitRows) => RowScore,
): RowScore {
  return score({
    logits: linear(hidden, head),
    rowsOf: (whole) => whole,
    mean: (mask, loss) => loss(mask),
  });
}

/** A score so far, and its gradients with respect to the head and to the rows of each chunk. */
interface Sums extends RowScore {
  readonly headGradient: Tensor;
  readonly hiddenGradients: readonly Tensor[];
}

function scoreChunk(
  { hidden, head }: HiddenRows,
  score: (rows: LogitRows) => RowScore,
  rowsOf: (whole: Tensor) => Tensor,
): Sums {
  const variables = [identity(rowsOf(hidden)), identity(head)];
  const [rows, weight] = variables;
  const mean: LogitRows["mean"] = (mask, loss) => {
    const part = rowsOf(mask);
    return mul(loss(part), div(sum(part), countOf(mask)));
  };
  const scored = score({ logits: linear(rows, weight), rowsOf, mean });
  const [hiddenGradient, headGradient] = pullback(scored.value, full([], 1), variables)
    .map((found, i) => found ?? full(variables[i].shape, 0));
  return { ...scored, headGradient, hiddenGradients: [hiddenGradient] };
}

function added(a: Sums, b: Sums): Sums {
  const sums = Object.keys(a.auxiliary).map((name) =>
    [name, add(a.auxiliary[name], b.auxiliary[name])] as const
  );
  return {
    value: add(a.value, b.value),
    auxiliary: Object.fromEntries(sums),
    headGradient: add(a.headGradient, b.headGradient),
    hiddenGradients: [...a.hiddenGradients, ...b.hiddenGradients],
  };
}

/** What there must be of one chunk before the next begins. */
function results({ value, auxiliary, headGradient, hiddenGradients }: Sums): Tensor[] {
  return [value, ...Object.values(auxiliary), headGradient, ...hiddenGradients.slice(-1)];
}

/**
 * Scores a chunk of rows after the other, so that only a chunk's logits and their gradient exist.
 *
 * The score of a batch that fits into one chunk is that of {@link wholeLogits} to the bit; else sums
 * over rows are added in another order. Asking for the score alone computes the gradients as well.
 *
 * @param rowsPerChunk most rows of a chunk, from 1
 * @throws {OutriderError} where `rowsPerChunk` is no whole number from 1
 *
 * @example
 * ```ts
 * import { constant, iota } from "@outrider/outrider/core";
 * import { crossEntropy, logitsInChunks } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const hidden = constant(new Float32Array(6), [3, 2]); // three rows
 * const head = constant(new Float32Array(8), [4, 2]); // four tokens, all alike
 * const mask = constant(Float32Array.of(1, 1, 0));
 * const { value } = logitsInChunks(2)({ hidden, head }, ({ logits, rowsOf, mean }) => ({
 *   value: mean(mask, (part) => crossEntropy(logits, rowsOf(iota([3], 0)), part)),
 *   auxiliary: {},
 * }));
 * assertAlmostEquals(evaluateGraph([value], new Map())[0][0], Math.log(4), 1e-6);
 * ```
 */
export function logitsInChunks(rowsPerChunk: number): Scoring {
  if (!(Number.isInteger(rowsPerChunk) && rowsPerChunk > 0)) {
    throw new OutriderError("chunks of 1 row or more", `${rowsPerChunk}`, "name a whole number");
  }
  return (given, score) => {
    const { hidden, head } = given;
    const [rows] = hidden.shape;
    if (rows <= rowsPerChunk) return wholeLogits(given, score);
    const chunk = (start: number, earlier: readonly Tensor[]): Sums =>
      scoreChunk(
        given,
        score,
        (whole) => sliceAxis(after(whole, earlier), 0, start, Math.min(rowsPerChunk, rows - start)),
      );
    let sums = chunk(0, []);
    for (let start = rowsPerChunk; start < rows; start += rowsPerChunk) {
      sums = added(sums, chunk(start, results(sums)));
    }
    const value = withGradients(sums.value, [
      { of: hidden, gradient: concat(sums.hiddenGradients, 0) },
      { of: head, gradient: sums.headGradient },
    ]);
    return { value, auxiliary: sums.auxiliary };
  };
}

/** Bytes of one logit. */
const LOGIT_BYTES = 4;
/** Chunks of more rows are a multiple of this, as the tiles of products are. */
const ROUND_ROWS = 64;

/**
 * Scores as many rows at a time as have logits of no more than `bytes` bytes, but one at least.
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { logitsWithin } from "@outrider/outrider/losses";
 * import { assertEquals } from "@std/assert";
 *
 * const sizes: number[] = [];
 * const given = { hidden: input([300, 8]), head: input([1000, 8]) };
 * logitsWithin(1e6)(given, ({ logits, mean }) => {
 *   sizes.push(logits.shape[0]);
 *   return { value: mean(input([300]), () => input([])), auxiliary: {} };
 * });
 * assertEquals(sizes, [192, 108]); // 192 * 1000 * 4 bytes
 * ```
 */
export function logitsWithin(bytes: number): Scoring {
  return (given, score) => {
    const most = Math.max(1, Math.floor(bytes / (LOGIT_BYTES * given.head.shape[0])));
    const rows = most > ROUND_ROWS ? most - most % ROUND_ROWS : most;
    return logitsInChunks(rows)(given, score);
  };
}
