/**
 * Filters that say why they drop something, and how often each reason was given.
 *
 * @module
 */

/** Why something is dropped, in a word or two; undefined where it is kept. */
export type Filter<Item> = (item: Item) => string | undefined;

/** How many items passed, and how many were dropped for each reason. */
export interface FilterCounts {
  /** Items that every filter let pass. */
  readonly kept: number;
  /** Items dropped, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
}

/** Counts before the first item. */
export const NO_COUNTS: FilterCounts = { kept: 0, dropped: {} };

/**
 * One filter out of several: the first reason that any gives, in their order.
 *
 * Filters behind the one that drops an item never see it, so a filter with a memory (as
 * `duplicateFilter` has) belongs behind those without.
 *
 * @example
 * ```ts
 * import { firstReason } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const filter = firstReason<string>([
 *   (text) => text === "" ? "empty" : undefined,
 *   (text) => text.length > 3 ? "too long" : undefined,
 * ]);
 * assertEquals(["", "four", "one"].map(filter), ["empty", "too long", undefined]);
 * ```
 */
export function firstReason<Item>(filters: readonly Filter<Item>[]): Filter<Item> {
  return (item) => {
    for (const filter of filters) {
      const reason = filter(item);
      if (reason !== undefined) return reason;
    }
  };
}

/**
 * The counts with one more item: kept where there is no reason, dropped for it otherwise.
 *
 * @example
 * ```ts
 * import { countReason, NO_COUNTS } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const counts = [undefined, "loop", "loop"].reduce(countReason, NO_COUNTS);
 * assertEquals(counts, { kept: 1, dropped: { loop: 2 } });
 * ```
 */
export function countReason(counts: FilterCounts, reason: string | undefined): FilterCounts {
  const { kept, dropped } = counts;
  if (reason === undefined) return { kept: kept + 1, dropped };
  return { kept, dropped: { ...dropped, [reason]: (dropped[reason] ?? 0) + 1 } };
}

/**
 * The counts of two runs together.
 *
 * @example
 * ```ts
 * import { addCounts } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const both = addCounts({ kept: 1, dropped: { loop: 2 } }, { kept: 3, dropped: { loop: 1 } });
 * assertEquals(both, { kept: 4, dropped: { loop: 3 } });
 * ```
 */
export function addCounts(a: FilterCounts, b: FilterCounts): FilterCounts {
  const dropped = { ...a.dropped };
  for (const [reason, count] of Object.entries(b.dropped)) {
    dropped[reason] = (dropped[reason] ?? 0) + count;
  }
  return { kept: a.kept + b.kept, dropped };
}

/**
 * The counts in one line, the commonest reason first.
 *
 * @example
 * ```ts
 * import { countsLine } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const line = countsLine({ kept: 7, dropped: { empty: 1, loop: 2 } });
 * assertEquals(line, "kept 7 of 10; dropped 2 loop, 1 empty");
 * ```
 */
export function countsLine({ kept, dropped }: FilterCounts): string {
  const reasons = Object.entries(dropped).sort(([, a], [, b]) => b - a);
  const total = reasons.reduce((sum, [, count]) => sum + count, kept);
  const list = reasons.map(([reason, count]) => `${count} ${reason}`).join(", ");
  return `kept ${kept} of ${total}${list === "" ? "" : `; dropped ${list}`}`;
}
