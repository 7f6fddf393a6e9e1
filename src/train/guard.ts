/**
 * The guard of a training run: when steps that are not finite, or a loss that has left its course,
 * end it. Pure: what it remembers is a JSON value that checkpoints hold.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";

/** What the guard remembers of a run. */
export interface GuardState {
  /** What was watched in the last steps of an ordinary loss, the newest at the end. */
  readonly recent: readonly number[];
  /** The lowest median of `recent` so far, and what counts as high beside it; none at first. */
  readonly best: { readonly median: number; readonly limit: number } | null;
  /** How many steps in a row were above the limit. */
  readonly highInARow: number;
}

/** The guard's memory before the first step. */
export const NEW_GUARD: GuardState = { recent: [], best: null, highInARow: 0 };

/** Steps whose median is what later ones are held against. */
const WINDOW = 100;
/** Fewer steps than this say nothing. */
const LEAST_STEPS = 50;
/** High steps in a row that end a run. */
const MOST_HIGH = 50;
/** Skipped steps in a row that end a run. */
const MOST_SKIPPED = 10;

/**
 * What is above this has left its course: by half of the median, by ten times the median deviation
 * (almost seven standard deviations of normal noise) and by a tenth of a nat.
 */
function limitOf(median: number, values: readonly number[]): number {
  const deviation = medianOf(values.map((value) => Math.abs(value - median)));
  return median + Math.max(0.1, 0.5 * Math.abs(median), 10 * deviation);
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
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
  if (state.best !== null && value > state.best.limit) {
    return { ...state, highInARow: state.highInARow + 1 };
  }
  const recent = [...state.recent, value].slice(-WINDOW);
  if (recent.length < LEAST_STEPS) return { ...state, recent, highInARow: 0 };
  const median = medianOf(recent);
  const best = state.best !== null && state.best.median <= median
    ? state.best
    : { median, limit: limitOf(median, recent) };
  return { recent, best, highInARow: 0 };
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
  { best, highInARow }: GuardState,
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
  if (best === null || highInARow < MOST_HIGH) return undefined;
  const [name, shown] = metrics.alpha === undefined
    ? ["a loss", (value: number) => `${round(value)}`] as const
    : ["an alpha", (value: number) => `${round(Math.exp(-value))}`] as const;
  return new OutriderError(
    `${name} near ${shown(best.median)}, as it has been`,
    `${metrics.alpha === undefined ? "more" : "less"} than ${shown(best.limit)} in steps ` +
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
