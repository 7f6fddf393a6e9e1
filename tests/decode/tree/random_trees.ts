/** Seeded trees of every form: chains, stars and what lies between. */
import { foldIn, type Key, keyOf, uniform, uniformInteger } from "../../../src/core/random.ts";
import type { TreeRow } from "../../../src/decode/mod.ts";

/** A tree of `count` rows; `bushy` from 0 (a chain) to 1 (any earlier row is as likely a parent). */
export function randomTree(
  seed: number,
  count: number,
  vocabulary: number,
  bushy: number,
): TreeRow[] {
  const at = (key: Key, i: number) => foldIn(key, i);
  const [token, follow, parent] = ["token", "follow", "parent"].map((name) =>
    foldIn(keyOf(seed), name)
  );
  return Array.from({ length: count }, (_, i) => ({
    token: uniformInteger(at(token, i), vocabulary),
    parent: uniform(at(follow, i)) < bushy ? uniformInteger(at(parent, i), i + 1) - 1 : i - 1,
  }));
}

/** The tokens from the text to a row, and the rows' places. */
export function branchOf(
  rows: readonly TreeRow[],
  place: number,
): { readonly places: number[]; readonly tokens: number[] } {
  const places: number[] = [];
  for (let at = place; at >= 0; at = rows[at].parent) places.unshift(at);
  return { places, tokens: places.map((at) => rows[at].token) };
}
