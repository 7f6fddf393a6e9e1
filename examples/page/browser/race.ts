/**
 * Several texts written side by side, each with the same share of the machine.
 *
 * @module
 */
import type { Run, RunStep } from "./run.ts";

/** A text in the race. */
export interface Racer {
  readonly run: Run;
  /** Is given every step. */
  readonly onStep: (step: RunStep) => void;
}

/** Seconds that a step took, without the reading of the prompt. */
export function stepSeconds({ report: { seconds } }: RunStep): number {
  return seconds.draft + seconds.target + seconds.verify + seconds.host;
}

/**
 * Steps whichever text has had the least time, until all have ended or the signal aborts: whatever
 * disturbs the machine disturbs all alike, and the faster one gets ahead as it would alone.
 *
 * @param turn lets messages in, such as the one that aborts
 * @returns whether all texts have come to their end
 */
export async function race(
  racers: readonly Racer[],
  signal: AbortSignal,
  turn: () => Promise<void>,
): Promise<boolean> {
  let running = racers.map((racer) => ({ racer, seconds: 0 }));
  while (running.length > 0) {
    await turn();
    if (signal.aborted) return false;
    const next = running.reduce((least, one) => one.seconds < least.seconds ? one : least);
    const step = await next.racer.run.step();
    next.racer.onStep(step);
    next.seconds += stepSeconds(step);
    if (step.finish !== undefined) running = running.filter((one) => one !== next);
  }
  return true;
}
