/**
 * Progress on standard error: a bar on a terminal, rare plain lines elsewhere.
 *
 * @module
 */
import type { CommandEffects } from "./effects.ts";
import { formatDuration, formatNumber } from "./format.ts";

/** How far some work has come. */
export interface ProgressState {
  /** What is being done, such as `pretrain`. */
  readonly label: string;
  /** What is counted, such as `steps`. */
  readonly unit: string;
  /** How much of it is done. */
  readonly done: number;
  /** How much there is; undefined where nobody knows. */
  readonly total: number | undefined;
  /** Seconds since the start. */
  readonly seconds: number;
  /** How much was already done at the start, by a run that this one continues. */
  readonly startedAt: number;
  /** Something to show at the end, such as a loss. */
  readonly note: string;
}

/** A running progress report. */
export interface Progress {
  /** Shows that `done` of the total is done, with a note such as the loss. */
  readonly update: (done: number, note?: string) => void;
  /** Shows the last state and ends the line. */
  readonly finish: () => void;
}

const BAR_WIDTH = 24;

/**
 * One line of progress: label, bar, count, rate, time to go, note. Pure.
 *
 * @example
 * ```ts
 * import { progressLine } from "@outrider/outrider/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const state = { label: "pretrain", unit: "steps", done: 30, total: 120, seconds: 10, startedAt: 0, note: "" };
 * assertEquals(
 *   progressLine(state),
 *   "pretrain [######..................]  25%  30/120 steps  3 steps/s  30.0 s left",
 * );
 * ```
 */
export function progressLine(state: ProgressState): string {
  const { label, unit, done, total, seconds, startedAt, note } = state;
  const rate = seconds > 0 ? (done - startedAt) / seconds : 0;
  const rateText = rate > 0 ? `${formatNumber(rate)} ${unit}/s` : "";
  const parts = total === undefined || total <= 0
    ? [`${label}  ${formatNumber(done)} ${unit}`, rateText]
    : [
      `${label} ${bar(done / total)} ${percent(done / total)}`,
      `${formatNumber(done)}/${formatNumber(total)} ${unit}`,
      rateText,
      remaining(done, total, rate, seconds),
    ];
  return [...parts, note].filter((part) => part !== "").join("  ");
}

function bar(fraction: number): string {
  const filled = Math.round(BAR_WIDTH * Math.min(1, Math.max(0, fraction)));
  return `[${"#".repeat(filled)}${".".repeat(BAR_WIDTH - filled)}]`;
}

function percent(fraction: number): string {
  return `${Math.floor(100 * fraction)}%`.padStart(4);
}

function remaining(done: number, total: number, rate: number, seconds: number): string {
  if (done >= total) return `in ${formatDuration(seconds)}`;
  return rate > 0 ? `${formatDuration((total - done) / rate)} left` : "";
}

/** On a terminal, the line is drawn at most this often. */
const MILLISECONDS_BETWEEN_DRAWS = 100;
/** Elsewhere, a line is printed when this much time has passed or a quarter of the work is done. */
const MILLISECONDS_BETWEEN_LINES = 30_000;
const LINES_PER_TOTAL = 4;

/**
 * Starts a progress report.
 *
 * @example
 * ```ts
 * import { startProgress } from "@outrider/outrider/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const lines: string[] = [];
 * const progress = startProgress(
 *   { errorIsTerminal: false, columns: 80, now: () => 0, writeError: (text) => lines.push(text) },
 *   { label: "load", unit: "files", total: 2 },
 * );
 * progress.update(2);
 * progress.finish();
 * assertEquals(lines, ["load [########################] 100%  2/2 files  in 0 ms\n"]);
 * ```
 *
 * @param effects where to draw and what time it is
 * @param work what is done: label, unit, total where known, where a continued run starts,
 * and for how many seconds it has been going already
 */
export function startProgress(
  effects: Pick<CommandEffects, "errorIsTerminal" | "columns" | "now" | "writeError">,
  work: { label: string; unit: string; total?: number; startedAt?: number; seconds?: number },
): Progress {
  const { errorIsTerminal, columns, now, writeError } = effects;
  const { label, unit, total, startedAt = 0, seconds: before = 0 } = work;
  const start = now() - 1000 * before;
  let shown = { at: -Infinity, quarter: 0, done: -1, note: "" };
  let current = { done: startedAt, note: "" };

  const line = (): string => {
    const seconds = (now() - start) / 1000;
    return progressLine({ label, unit, total, seconds, startedAt, ...current });
  };
  const draw = (): void => {
    const text = line().slice(0, Math.max(1, columns - 1));
    writeError(`\r${text}\x1b[K`);
    shown = { at: now(), quarter: 0, ...current };
  };
  const print = (): void => {
    writeError(`${line()}\n`);
    shown = { at: now(), quarter: quarterOf(current.done, total), ...current };
  };
  return {
    update: (done, note = "") => {
      current = { done, note };
      const wait = errorIsTerminal ? MILLISECONDS_BETWEEN_DRAWS : MILLISECONDS_BETWEEN_LINES;
      const reference = errorIsTerminal ? shown.at : Math.max(shown.at, start);
      const isDue = now() - reference >= wait;
      if (errorIsTerminal) {
        if (isDue) draw();
      } else if (isDue || quarterOf(done, total) > shown.quarter) print();
    },
    finish: () => {
      if (errorIsTerminal) {
        draw();
        writeError("\n");
      } else if (shown.done !== current.done || shown.note !== current.note) print();
    },
  };
}

function quarterOf(done: number, total: number | undefined): number {
  return total === undefined || total <= 0 ? 0 : Math.floor((LINES_PER_TOTAL * done) / total);
}
