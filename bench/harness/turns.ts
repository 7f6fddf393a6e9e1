/**
 * Turns of a part at a time: where a whole round takes seconds and a ratio has to be right to the
 * percent, sides take turns at every prompt, so that they meet the machine in the same moods.
 *
 * @module
 */
import { foldIn, keyOf, permutation } from "@outrider/outrider";
import type { RoundOptions } from "./rounds.ts";
import { type Series, seriesOf } from "./statistics.ts";

/** What one part gave, such as tokens, and the seconds that it took. */
export interface Amount {
  readonly amount: number;
  readonly seconds: number;
}

/** One side of a comparison, whose work has parts. */
export interface PartedSide {
  readonly name: string;
  /** Of an amount per second. */
  readonly unit: string;
  /** Does a part of the work. */
  readonly measure: (part: number) => Promise<Amount>;
}

/**
 * Measures all sides part by part, in another order for every part, since whoever comes after a slow
 * side finds caches and the collector in another state; one series of amounts per second per side.
 */
export async function runTurns(
  sides: readonly PartedSide[],
  parts: number,
  { rounds, warmUp, onRound, signal }: RoundOptions,
): Promise<Series[]> {
  const values = sides.map((): number[] => []);
  for (let round = 0; round < warmUp + rounds; round++) {
    const sums = sides.map(() => ({ amount: 0, seconds: 0 }));
    for (let part = 0; part < parts; part++) {
      for (const index of permutation(foldIn(foldIn(keyOf(round), part), "order"), sides.length)) {
        signal?.throwIfAborted();
        const { amount, seconds } = await sides[index].measure(part);
        sums[index].amount += amount;
        sums[index].seconds += seconds;
      }
    }
    if (round >= warmUp) sums.forEach((sum, i) => values[i].push(sum.amount / sum.seconds));
    onRound?.(round + 1);
  }
  return sides.map(({ name, unit }, index) => seriesOf(name, unit, values[index]));
}
