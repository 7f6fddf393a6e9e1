/**
 * How far a run is, as a JSON text in its checkpoint.
 *
 * Chance needs no place of its own here: every key is derived from the run's seed, which its recipe
 * names, and from the positions in the data.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { BatchPosition } from "../data/packing.ts";
import type { BatchSource, Positions } from "./batch_source.ts";
import type { BestStep } from "./best_step.ts";
import { type GuardState, NEW_GUARD } from "./guard.ts";

/** How far a run is. */
export interface RunProgress {
  /** Steps done. */
  readonly step: number;
  /** Where the next batch begins. */
  readonly positions: Positions;
  /** What the guard against divergence remembers. */
  readonly guard: GuardState;
  /** The best of the validated steps; none before the first. */
  readonly best?: BestStep;
}

/**
 * The progress of a run that has not begun.
 *
 * @example
 * ```ts
 * import { newRun } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const positions = [{ epoch: 0, index: 0, offset: 0 }];
 * assertEquals(newRun({ init: () => positions }).step, 0);
 * ```
 */
export function newRun({ init }: Pick<BatchSource<unknown>, "init">): RunProgress {
  return { step: 0, positions: init(), guard: NEW_GUARD };
}

/**
 * Reads a progress that was written by `JSON.stringify`.
 *
 * @param from what the text comes from, for messages
 * @throws OutriderError where the text is no progress
 * @example
 * ```ts
 * import { newRun, readProgress } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const progress = newRun({ init: () => [{ epoch: 0, index: 0, offset: 0 }] });
 * assertEquals(readProgress(JSON.stringify(progress), "a checkpoint"), progress);
 * ```
 */
export function readProgress(text: string | undefined, from: string): RunProgress {
  const found = parsed(text);
  if (isPlace(found)) {
    const { step, positions } = found;
    // A guard that remembers other things begins anew: it decides when a run ends, not its bits.
    const guard = "guard" in found && isGuard(found.guard) ? found.guard : NEW_GUARD;
    const best = "best" in found && isBest(found.best) ? { best: found.best } : {};
    return { step, positions, guard, ...best };
  }
  throw new OutriderError(
    `the number of steps done and the place in the data in ${from}`,
    text === undefined ? "none" : text.slice(0, 80),
    "delete the checkpoint and start again",
  );
}

function parsed(text = ""): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isPosition(value: unknown): value is BatchPosition {
  return isRecord(value) && [value.epoch, value.index, value.offset].every(isCount);
}

const areNumbers = (values: readonly unknown[]): boolean =>
  values.every((value) => typeof value === "number");

function isGuard(value: unknown): value is GuardState {
  if (!isRecord(value) || ![value.ordinary, value.highInARow].every(isCount)) return false;
  const { recent, levels } = value;
  return Array.isArray(recent) && areNumbers(recent) && Array.isArray(levels) &&
    levels.every((level) => isRecord(level) && areNumbers([level.median, level.limit]));
}

function isBest(value: unknown): value is BestStep {
  return isRecord(value) && isCount(value.step) && typeof value.score === "number";
}

function isPlace(value: unknown): value is Pick<RunProgress, "step" | "positions"> {
  return isRecord(value) && isCount(value.step) && Array.isArray(value.positions) &&
    value.positions.every(isPosition);
}
