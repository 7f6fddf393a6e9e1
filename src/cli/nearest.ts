/**
 * The nearest of some names to a mistyped one.
 *
 * @module
 */

/** The number of single-character edits between two texts (Levenshtein distance). */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, replaced));
    }
    row = next;
  }
  return row[b.length];
}

/** Text beyond this length cannot be a mistyped name. */
const MAXIMUM_LENGTH = 100;

/**
 * The candidate with the fewest edits; the first of several.
 *
 * @example
 * ```ts
 * import { nearest } from "@outrider/outrider/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(nearest("--temprature", ["--top-p", "--temperature"]), "--temperature");
 * ```
 */
export function nearest(written: string, candidates: readonly string[]): string {
  const short = written.slice(0, MAXIMUM_LENGTH);
  const distances = candidates.map((candidate) => editDistance(short, candidate));
  return candidates[distances.indexOf(Math.min(...distances))] ?? "";
}
