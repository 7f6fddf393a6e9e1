/**
 * The value of operations on tables of rows: gather and scatter.
 *
 * @module
 */
import type { NumberArray, Value } from "./value.ts";

/** Sizes of a table operation. */
export interface TableSizes {
  /** Rows of the table. */
  readonly tableRows: number;
  /** Elements of one row. */
  readonly width: number;
}

/** out[r, :] = table[indices[r], :], or zeros where the index is outside. */
export function evaluateGather(
  table: Value,
  indices: Value,
  { tableRows, width }: TableSizes,
  out: NumberArray,
): NumberArray {
  for (let r = 0; r < indices.length; r++) {
    const row = indices[r];
    if (row < 0 || row >= tableRows) continue;
    for (let i = 0; i < width; i++) out[r * width + i] = table[row * width + i];
  }
  return out;
}

/** A copy of the table with rows replaced or added to, in the order of the indices. */
export function evaluateScatter(
  mode: "add" | "set",
  [table, indices, updates]: readonly Value[],
  { tableRows, width }: TableSizes,
  out: NumberArray,
): NumberArray {
  out.set(table);
  for (let r = 0; r < indices.length; r++) {
    const row = indices[r];
    if (row < 0 || row >= tableRows) continue;
    for (let i = 0; i < width; i++) {
      const update = updates[r * width + i];
      const at = row * width + i;
      out[at] = mode === "add" ? out[at] + update : update;
    }
  }
  return out;
}
