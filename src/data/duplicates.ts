/**
 * Duplicates in a stream of texts, found by 64-bit hashes: 8 to 32 bytes a text, however long.
 *
 * @module
 */
import type { Filter } from "./filter_counts.ts";

/** A 64-bit hash as two unsigned 32-bit words. */
export type TextHash = readonly [number, number];

/** MurmurHash3's finaliser: every bit of the word changes half of the others. */
function mixed(word: number): number {
  let x = word;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/**
 * A 64-bit hash of a text, not for security; among a million texts two collide with a chance of
 * 3e-8.
 *
 * @example
 * ```ts
 * import { hashText } from "@outrider/outrider/data";
 * import { assertEquals, assertNotEquals } from "@std/assert";
 *
 * assertEquals(hashText("a text"), hashText("a text"));
 * assertNotEquals(hashText("a text"), hashText("a test"));
 * ```
 */
export function hashText(text: string): TextHash {
  let [a, b] = [0x9e3779b9, 0x7f4a7c15];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x9e3779b1);
    b = Math.imul(b ^ code, 0x85ebca77);
    // Multiplication carries upwards only; the turn brings high bits down again.
    a = (a << 13) | (a >>> 19);
    b = (b << 17) | (b >>> 15);
  }
  const [first, second] = [mixed(a ^ text.length), mixed(b ^ text.length)];
  return [mixed(first ^ second), mixed((second + Math.imul(first, 0x9e3779b1)) | 0)];
}

/**
 * A text without what near duplicates differ in: case, accents' encoding, punctuation, spaces.
 *
 * @example
 * ```ts
 * import { normalizeText } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(normalizeText("  Name THREE colours!\n"), normalizeText("name three colours."));
 * ```
 */
export function normalizeText(text: string): string {
  const words = text.normalize("NFKC").toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu);
  // A text of signs alone (code, arithmetic) is only equal to itself.
  return words === null ? text.trim() : words.join(" ");
}

/** A growing set of 64-bit hashes. */
export interface HashSet {
  /** How many hashes it holds. */
  readonly size: () => number;
  /** Adds a hash; tells whether it was new. */
  readonly add: (hash: TextHash) => boolean;
}

const FIRST_SLOTS = 1024;

/**
 * An empty set of hashes: open addressing in one array, at most half full.
 *
 * @example
 * ```ts
 * import { hashSet, hashText } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const seen = hashSet();
 * assertEquals([seen.add(hashText("a")), seen.add(hashText("a")), seen.size()], [true, false, 1]);
 * ```
 */
export function hashSet(): HashSet {
  let slots = new Uint32Array(2 * FIRST_SLOTS);
  let count = 0;
  // Two zero words mark a free slot, so the hash of two zeros is kept apart.
  let hasZero = false;
  /** Puts a hash into its place; false where it is there already. */
  const put = (into: Uint32Array, [high, low]: TextHash): boolean => {
    const mask = into.length / 2 - 1;
    for (let slot = (Math.imul(high, 0x9e3779b1) ^ low) & mask;; slot = (slot + 1) & mask) {
      const [foundHigh, foundLow] = [into[2 * slot], into[2 * slot + 1]];
      if (foundHigh === high && foundLow === low) return false;
      if (foundHigh !== 0 || foundLow !== 0) continue;
      into[2 * slot] = high;
      into[2 * slot + 1] = low;
      return true;
    }
  };
  const grow = (): void => {
    const larger = new Uint32Array(2 * slots.length);
    for (let at = 0; at < slots.length; at += 2) {
      if (slots[at] !== 0 || slots[at + 1] !== 0) put(larger, [slots[at], slots[at + 1]]);
    }
    slots = larger;
  };
  const putAny = (hash: TextHash): boolean => {
    if (hash[0] !== 0 || hash[1] !== 0) return put(slots, hash);
    const isNew = !hasZero;
    hasZero = true;
    return isNew;
  };
  return {
    size: () => count,
    add: (hash) => {
      if (!putAny(hash)) return false;
      count++;
      if (4 * count > slots.length) grow();
      return true;
    },
  };
}

/**
 * Drops texts that were there before: "duplicate" letter for letter, "near duplicate" where only
 * case, punctuation and spaces differ. It remembers the hashes of the texts that it saw.
 *
 * @example
 * ```ts
 * import { duplicateFilter } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const filter = duplicateFilter();
 * const reasons = ["Say hello.", "Say hello.", "say hello!", "Say more."].map(filter);
 * assertEquals(reasons, [undefined, "duplicate", "near duplicate", undefined]);
 * ```
 */
export function duplicateFilter(): Filter<string> {
  const [exact, near] = [hashSet(), hashSet()];
  return (text) => {
    if (!exact.add(hashText(text))) return "duplicate";
    return near.add(hashText(normalizeText(text))) ? undefined : "near duplicate";
  };
}
