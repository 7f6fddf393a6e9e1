/**
 * The units of attention kernels: one row and one key/value head, with all query heads that read it,
 * for one part of the row's entries or for all.
 *
 * @module
 */
import { ATTENTION_PART, attentionParts } from "../../src/core/attention_layout.ts";
import type { Local } from "./assembler.ts";
import { i32 } from "./assembler_ops.ts";
import { type AttentionRow, loadRow } from "./attention_rows.ts";
import { type AttentionSizes, storedHeadBytes } from "./attention_storage.ts";
import type { KernelFrame } from "./kernel.ts";
import { LANE_BYTES, LANES } from "./lanes.ts";
import { startWalk } from "./walk.ts";

/** The arrays that move with the units. */
export interface UnitArrays {
  /** Arrays [rows, heads, ...], and bytes per head. */
  readonly byHead: readonly { readonly pointer: Local<"i32">; readonly bytes: number }[];
  /** Arrays [parts, rows, heads, ...], and bytes per head; the parts are units of their own. */
  readonly byPart?: readonly { readonly pointer: Local<"i32">; readonly bytes: number }[];
  /** Arrays [slots, keyValueHeads, headWidth], as the spec stores them. */
  readonly bySlot: readonly Local<"i32">[];
  /** start [rows], end [rows], (extra [rows, extras]). */
  readonly seen: readonly Local<"i32">[];
}

/** One unit, its pointers in the order of its arrays. */
export interface AttentionUnit {
  /** What the row sees. */
  readonly row: AttentionRow;
  /** The part's first entry. */
  readonly first: Local<"i32">;
  /** At the first of the query heads. */
  readonly byHead: readonly Local<"i32">[];
  /** At the part's first of the query heads. */
  readonly byPart: readonly Local<"i32">[];
  /** At the key/value head of slot 0. */
  readonly bySlot: readonly Local<"i32">[];
}

interface Cursor {
  readonly pointer: Local<"i32">;
  /** What it moves by from part to part, key/value head to key/value head and row to row. */
  readonly steps: readonly [part: number, head: number, row: number];
}

/** Emits the loop over units lo .. hi-1; the rows of a head come together, while its keys are near. */
export function eachUnit(
  frame: KernelFrame,
  spec: AttentionSizes,
  arrays: UnitArrays,
  visit: (unit: AttentionUnit) => void,
): void {
  const { builder, lo, hi } = frame;
  const group = spec.heads / spec.keyValueHeads;
  const cursor = (pointer: Local<"i32">, steps: Cursor["steps"]): Cursor => ({
    pointer: builder.local(pointer),
    steps,
  });
  const [start, end, extra] = arrays.seen;
  const seen = [
    cursor(start, [0, 0, LANE_BYTES]),
    cursor(end, [0, 0, LANE_BYTES]),
    ...(spec.extras > 0 ? [cursor(extra, [0, 0, spec.extras * LANE_BYTES])] : []),
  ];
  const byHead = arrays.byHead.map(({ pointer, bytes }) =>
    cursor(pointer, [0, group * bytes, spec.heads * bytes])
  );
  const byPart = (arrays.byPart ?? []).map(({ pointer, bytes }) =>
    cursor(pointer, [spec.rows * spec.heads * bytes, group * bytes, spec.heads * bytes])
  );
  const bySlot = arrays.bySlot.map((pointer) => cursor(pointer, [0, storedHeadBytes(spec), 0]));
  const first = { pointer: builder.local(i32.constant(0)), steps: [ATTENTION_PART, 0, 0] };
  const cursors = [...seen, ...byHead, ...byPart, ...bySlot, first];
  const parts = arrays.byPart === undefined ? 1 : attentionParts(spec);
  const axes = [parts, spec.keyValueHeads, spec.rows].map((size, axis) => ({
    size,
    steps: cursors.map(({ steps }) => steps[axis]),
  }));
  const walk = startWalk(builder, axes, cursors.map(({ pointer }) => pointer), lo);
  const pointers = (list: readonly Cursor[]) => list.map(({ pointer }) => pointer);
  builder.loopWhile(i32.ltU(lo, hi), () => {
    const row = loadRow(frame, pointers(seen));
    visit({
      row,
      first: first.pointer,
      byHead: pointers(byHead),
      byPart: pointers(byPart),
      bySlot: pointers(bySlot),
    });
    walk.next();
    builder.advance(lo, 1);
  });
}

/** Entries of a row where nothing is known of its length. */
export const USUAL_ENTRIES = 64;

/** Arithmetic of one row and key/value head over so many entries, for the grain. */
export function unitCost(spec: AttentionSizes, entries: number): number {
  const group = spec.heads / spec.keyValueHeads;
  return group * Math.min(spec.slots + spec.extras, entries) * (spec.headWidth / LANES * 2 + 8);
}
