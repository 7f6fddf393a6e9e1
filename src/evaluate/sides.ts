/**
 * From intervals to verdicts.
 *
 * @module
 */
import type { Figure } from "./bootstrap.ts";
import type { Verdict } from "./report_types.ts";

/** Where a figure lies: its whole interval above or below a value, or around it. */
export type Side = "above" | "below" | "around";

/** On which side of a value a figure's whole interval lies. */
export function sideOf({ low, high }: Figure, of: number): Side {
  return low > of ? "above" : high < of ? "below" : "around";
}

/** How many comparisons lie on each side of equality. */
export function counted(sides: readonly Side[]): Readonly<Record<Side, number>> {
  const count = (wanted: Side) => sides.filter((side) => side === wanted).length;
  return { above: count("above"), below: count("below"), around: count("around") };
}

/** Whether what should lie on one side does: always, sometimes, or, where never, how not. */
export function verdictOf(sides: readonly Side[], wanted: "above" | "below"): Verdict {
  const counts = counted(sides);
  if (sides.length === 0) return "not measured";
  if (counts[wanted] === sides.length) return "holds";
  if (counts[wanted] > 0) return "holds in part";
  return counts.around === sides.length ? "within noise" : "does not hold";
}
