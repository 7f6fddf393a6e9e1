/**
 * Batches of on-policy rows: pieces one after another in a fixed number of rows.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type DenseHostTensor, hostTensor } from "../core/host_tensor.ts";
import type { Tensor } from "../core/tensor.ts";
import type { TeacherRow } from "../data/teacher_rows.ts";
import type { LlamaRows } from "../nn/llama.ts";
import type { OnPolicyPiece, OnPolicyRow } from "./on_policy.ts";

/** The arrays of a batch, `[rows]` each, i32 but for the mask. */
export interface OnPolicyBatch<Leaf> {
  /** Token ids; 0 in unused rows at the end. */
  readonly tokens: Leaf;
  /** The tokens that the draft proposed to follow; -1 where it proposed none. */
  readonly drafted: Leaf;
  /** f32: 1 where the proposed token was accepted. */
  readonly accepted: Leaf;
  /** How deep in a rejected suffix the proposed token was, from 0; -1 where in none. */
  readonly rejectedDepth: Leaf;
  /** The first row that a row sees, ... */
  readonly starts: Leaf;
  /** ... the row behind the last of this window, ... */
  readonly ends: Leaf;
  /** ... and, `[rows, n]`, further rows, -1 for none; left out where no row has any. */
  readonly branches?: Leaf;
  /** Positions in the text. */
  readonly positions: Leaf;
  /** The target's distributions in the places of the drafted tokens; left out where none was kept. */
  readonly teacher?: readonly (TeacherRow | undefined)[];
}

/** Pieces and the rows at which they begin. */
type Placed = readonly { readonly piece: OnPolicyPiece; readonly at: number }[];

/** Fills one batch after the other, in order. */
function place(pieces: readonly OnPolicyPiece[], rowsPerBatch: number): Placed[] {
  const placed: { piece: OnPolicyPiece; at: number }[][] = [];
  let used = rowsPerBatch;
  for (const piece of pieces) {
    if (piece.length > rowsPerBatch) {
      throw new OutriderError(
        `pieces of at most ${rowsPerBatch} rows`,
        `one of ${piece.length}`,
        "raise the rows per batch or record shorter texts",
      );
    }
    if (piece.length === 0) continue;
    if (used + piece.length > rowsPerBatch) {
      placed.push([]);
      used = 0;
    }
    placed[placed.length - 1].push({ piece, at: used });
    used += piece.length;
  }
  return placed;
}

/** A row that nothing sees and that sees itself. */
const UNUSED: OnPolicyRow = { token: 0, position: 0, end: 1, branch: [] };

function fill(placed: Placed, rows: number, width: number): OnPolicyBatch<DenseHostTensor> {
  const all = Array.from({ length: rows }, (_, start) => ({ row: UNUSED, start }));
  for (const { piece, at } of placed) {
    piece.forEach((row, i) => all[at + i] = { row, start: at });
  }
  const i32 = (of: (row: OnPolicyRow, start: number) => number): DenseHostTensor =>
    hostTensor(Int32Array.from(all, ({ row, start }) => of(row, start)));
  const isAccepted = ({ drafted, rejectedDepth }: OnPolicyRow): boolean =>
    drafted !== undefined && rejectedDepth === undefined;
  const branches = new Int32Array(rows * width).fill(-1);
  all.forEach(({ row, start }, at) =>
    row.branch.forEach((other, i) => branches[at * width + i] = start + other)
  );
  return {
    tokens: i32(({ token }) => token),
    drafted: i32(({ drafted = -1 }) => drafted),
    accepted: hostTensor(Float32Array.from(all, ({ row }) => isAccepted(row) ? 1 : 0)),
    rejectedDepth: i32(({ rejectedDepth = -1 }) => rejectedDepth),
    starts: i32((_, start) => start),
    ends: i32(({ end }, start) => start + end),
    ...(width === 0 ? {} : { branches: hostTensor(branches, [rows, width]) }),
    positions: i32(({ position }) => position),
    ...(all.some(({ row }) => row.teacher) ? { teacher: all.map(({ row }) => row.teacher) } : {}),
  };
}

/**
 * Packs pieces into batches, in order; a piece that does not fit begins the next batch.
 *
 * All batches of a call have the same shapes; those of several calls, where `leastWidth` is as large
 * as the most further rows that a row sees: the draft's length less one.
 *
 * @throws {OutriderError} where a piece has more rows than a batch
 *
 * @example
 * ```ts
 * import { onPolicyBatches, suffixesApart } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const record = { prompt: [3, 4], steps: [{ drafted: [5, 6, 7], accepted: 1, next: 8 }] };
 * const [{ tokens, drafted, accepted, rejectedDepth }] = onPolicyBatches(suffixesApart(record), 8);
 * assertEquals([...tokens.data], [3, 4, 5, 3, 4, 5, 6, 0]); // text, suffix, unused
 * assertEquals([...drafted.data], [-1, 5, 6, -1, -1, -1, 7, -1]);
 * assertEquals([...accepted.data], [0, 1, 0, 0, 0, 0, 0, 0]);
 * assertEquals([...rejectedDepth.data], [-1, -1, 0, -1, -1, -1, 1, -1]);
 * ```
 */
export function onPolicyBatches(
  pieces: readonly OnPolicyPiece[],
  rowsPerBatch: number,
  leastWidth = 0,
): readonly OnPolicyBatch<DenseHostTensor>[] {
  const width = pieces.flat().reduce(
    (most, { branch }) => Math.max(most, branch.length),
    leastWidth,
  );
  return place(pieces, rowsPerBatch).map((placed) => fill(placed, rowsPerBatch, width));
}

/** The rows of a batch as a model reads them, draft and target alike. */
export function onPolicyLlamaRows(batch: OnPolicyBatch<Tensor>): LlamaRows {
  const { tokens, positions, starts: start, ends: end, branches: extra } = batch;
  return { tokens, positions, start, end, ...(extra === undefined ? {} : { extra }) };
}
