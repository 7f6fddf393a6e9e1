/**
 * On-policy batches as a finetuner steps on them, with text mixed in.
 *
 * @module
 */
import { type DenseHostTensor, hostTensor } from "../core/host_tensor.ts";
import type { OnPolicyBatch } from "./on_policy_batch.ts";
import {
  type CachedTeacher,
  cachedTeacherBatch,
  distillationBatch,
  type PackedRows,
  type RowBatch,
} from "./row_batch.ts";

/** The values of an i32 array, with others behind. */
function extended({ data }: DenseHostTensor, others: ArrayLike<number>): Int32Array {
  const both = new Int32Array(data.length + others.length);
  both.set(data);
  both.set(others, data.length);
  return both;
}

/**
 * A training batch of the rows that a draft wrote itself: each row with a drafted token is scored
 * against the target's distribution in its place. Rows of pretraining text may follow.
 *
 * @throws {OutriderError} where a drafted token has no distribution
 *
 * @example
 * ```ts
 * import { onPolicyBatches, onPolicyRowBatch, suffixesAsBranches } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const sure = (token: number) => ({
 *   tokens: Int32Array.of(token),
 *   logProbs: Float32Array.of(-0.1),
 * });
 * const step = { drafted: [5, 6], accepted: 0, next: 8, teacher: [sure(8), sure(6)] };
 * const [batch] = onPolicyBatches(suffixesAsBranches({ prompt: [3, 4], steps: [step] }), 4);
 * const rows = onPolicyRowBatch(batch, { kept: 1 });
 * assertEquals([...rows.tokens.data], [3, 4, 5, 0]);
 * assertEquals([...rows.targets.data], [-1, 5, 6, -1]);
 * assertEquals([...rows.distillationMask.data], [0, 1, 1, 0]);
 * assertEquals([...(rows.teacher?.classes.data ?? [])], [-1, 8, 6, -1]);
 * ```
 */
export function onPolicyRowBatch(
  batch: OnPolicyBatch<DenseHostTensor>,
  teacher: CachedTeacher,
  text?: PackedRows,
): RowBatch<DenseHostTensor> {
  const { drafted, branches, ends, rejectedDepth } = batch;
  const lossMask = Float32Array.from(drafted.data, (token) => token < 0 ? 0 : 1);
  const none = new Int32Array();
  const rows = {
    tokens: extended(batch.tokens, none),
    targets: extended(drafted, none),
    lossMask,
    starts: extended(batch.starts, none),
    positions: extended(batch.positions, none),
  };
  const count = lossMask.length;
  const added = text?.tokens.length ?? 0;
  const width = branches?.shape[1] ?? 0;
  const seen = branches === undefined ? {} : {
    branches: hostTensor(
      extended(branches, new Int32Array(added * width).fill(-1)),
      [count + added, width],
    ),
  };
  return {
    ...cachedTeacherBatch(distillationBatch(rows, text), batch.teacher ?? [], teacher),
    onPolicy: {
      ends: hostTensor(extended(ends, Int32Array.from({ length: added }, (_, i) => count + i + 1))),
      rejectedDepth: hostTensor(extended(rejectedDepth, new Int32Array(added).fill(-1))),
      ...seen,
    },
  };
}
