/**
 * Interleaved rounds: every side is measured once per round, so that a machine that slows down for
 * a while slows all of them.
 *
 * @module
 */
import { type Series, seriesOf } from "./statistics.ts";

/** One side of a comparison. */
export interface Side {
  readonly name: string;
  /** Of what `measure` gives. */
  readonly unit: string;
  /** Does the work once and says how fast it went. */
  readonly measure: () => Promise<number>;
}

/** How often everything is measured. */
export interface RoundOptions {
  /** Rounds that count. */
  readonly rounds: number;
  /** Rounds before them that do not. */
  readonly warmUp: number;
  /** Is told of the rounds done, warm-up included. */
  readonly onRound?: (done: number) => void;
  /** Ends the measurement. */
  readonly signal?: AbortSignal;
}

/** Measures all sides in turn, round after round; one series per side, in their order. */
export async function runRounds(
  sides: readonly Side[],
  { rounds, warmUp, onRound, signal }: RoundOptions,
): Promise<Series[]> {
  const values = sides.map((): number[] => []);
  for (let round = -warmUp; round < rounds; round++) {
    for (const [index, { measure }] of sides.entries()) {
      signal?.throwIfAborted();
      const value = await measure();
      if (round >= 0) values[index].push(value);
    }
    onRound?.(round + warmUp + 1);
  }
  return sides.map(({ name, unit }, index) => seriesOf(name, unit, values[index]));
}

/** Seconds that some work takes. */
export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
