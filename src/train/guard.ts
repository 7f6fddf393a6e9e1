/**
 * The guard of a training run: when steps that are not finite, or a loss that has left its course,
 * end it. Pure: what it remembers is a JSON value that checkpoints hold.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";

/** A level of what is watched, and what counts as high beside it. */
export interface GuardLevel {
  /** The median of a window of steps. */
  readonly median: number;
  /** Above this a step is high. */
  readonly limit: number;
}

/** What the guard remembers of a run. */
export interface GuardState {
  /** Steps of an ordinary loss so far. */
  readonly ordinary: number;
  /** What was watched in the last of them, the newest at the end. */
  readonly recent: readonly number[];
  /** The levels of the last windows. */
  readonly levels: readonly GuardLevel[];
  /** How many steps in a row were above the highest limit. */
  readonly highInARow: number;
}

/** The guard's memory before the first step. */
export const NEW_GUARD: GuardState = { ordinary: 0, recent: [], levels: [], highInARow: 0 };

/** Steps of a window. */
const WINDOW = 100;
/** Steps from one window to the next, and those before the first. */
const BETWEEN_LEVELS = 25;
const LEAST_STEPS = 50;
/** Levels that count: those of 500 steps, so that an easy stretch of the data sets no standard. */
const LEVELS = 20;
/** High steps in a row that end a run. */
const MOST_HIGH = 100;
/** Skipped steps in a row that end a run. */
const MOST_SKIPPED = 10;

/**
 * What is above the limit has left its course: by half of the median, by ten times the median
 * deviation (almost seven standard deviations of normal noise) and by a tenth of a nat.
 */
function levelOf(values: readonly number[]): GuardLevel {
  const median = medianOf(values);
  const deviation = medianOf(values.map((value) => Math.abs(value - median)));
  return { median, limit: median + Math.max(0.1, 0.5 * Math.abs(median), 10 * deviation) };
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** The level that a step is held against; none in the first steps. */
function standardOf({ levels }: GuardState): GuardLevel | undefined {
  return levels.length === 0 ? undefined : levels.reduce((a, b) => b.limit > a.limit ? b : a);
}

/**
 * What falls while training goes well: -log of the acceptance rate where there is one, as losses
 * such as TVD++ are not comparable from step to step, and else the loss. In nats.
 */
export function watched({ loss, alpha }: Readonly<Record<string, number>>): number {
  return alpha === undefined ? loss : -Math.log(Math.max(alpha, 1e-12));
}

/** True where a step of these metrics changed nothing, as something in it was not finite. */
function isSkipped({ skippedInARow = 0 }: Readonly<Record<string, number>>): boolean {
  return skippedInARow > 0;
}

/**
 * The guard's memory after a step with these metrics. High values are not remembered, so that a
 * run which has left its course is not held against itself.
 */
export function guardStep(
  state: GuardState,
  metrics: Readonly<Record<string, number>>,
): GuardState {
  if (isSkipped(metrics)) return state;
  const value = watched(metrics);
  const standard = standardOf(state);
  if (standard !== undefined && value > standard.limit) {
    return { ...state, highInARow: state.highInARow + 1 };
  }
  const ordinary = state.ordinary + 1;
  const recent = [...state.recent, value].slice(-WINDOW);
  const isDue = ordinary >= LEAST_STEPS && ordinary % BETWEEN_LEVELS === 0;
  const levels = isDue ? [...state.levels, levelOf(recent)].slice(-LEVELS) : state.levels;
  return { ordinary, recent, levels, highInARow: 0 };
}

/** True where the state after this step is one to go on from. */
export function isGood(
  { highInARow }: GuardState,
  metrics: Readonly<Record<string, number>>,
): boolean {
  return highInARow === 0 && !isSkipped(metrics);
}

/** Why the run ends after a step, where it does. */
export function reasonToStop(
  state: GuardState,
  metrics: Readonly<Record<string, number>>,
  step: number,
): OutriderError | undefined {
  const { skippedInARow = 0 } = metrics;
  if (skippedInARow >= MOST_SKIPPED) {
    const name = notFinite(metrics);
    return new OutriderError(
      `a finite ${name}`,
      `${metrics[name]} in steps ${step - skippedInARow + 1} to ${step}`,
      "check the data and the target, or lower the learning rate and start in another folder",
    );
  }
  const { highInARow } = state;
  const standard = standardOf(state);
  if (standard === undefined || highInARow < MOST_HIGH) return undefined;
  const [name, shown] = metrics.alpha === undefined
    ? ["a loss", (value: number) => `${round(value)}`] as const
    : ["an alpha", (value: number) => `${round(Math.exp(-value))}`] as const;
  return new OutriderError(
    `${name} near ${shown(standard.median)}, as it has been`,
    `${metrics.alpha === undefined ? "more" : "less"} than ${shown(standard.limit)} in steps ` +
      `${step - highInARow + 1} to ${step}: training diverges`,
    "lower the learning rate and start in another folder, or check the data",
  );
}

/** The first metric that is to blame; gradients are blamed only where the loss is finite. */
function notFinite(metrics: Readonly<Record<string, number>>): string {
  const names = ["loss", ...Object.keys(metrics).filter((name) => name !== "gradientNorm")];
  return names.find((name) => !Number.isFinite(metrics[name])) ?? "gradientNorm";
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
