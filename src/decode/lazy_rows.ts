/**
 * Distributions that are computed when they are first read.
 *
 * @module
 */
import type { Probs } from "./language_model.ts";

/** So many rows, each of which is computed when it is first read. */
export function lazyRows(length: number, row: (place: number) => Probs): ArrayLike<Probs> {
  const rows: { readonly length: number; [place: number]: Probs } = { length };
  for (let place = 0; place < length; place++) {
    let known: Probs | undefined;
    Object.defineProperty(rows, place, { get: () => known ??= row(place) });
  }
  return rows;
}
