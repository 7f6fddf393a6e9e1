/**
 * Figures in words: a value and, where it is known, its interval.
 *
 * @module
 */
import type { Figure } from "./bootstrap.ts";

/**
 * A figure with a fixed number of decimals and its interval.
 *
 * @example
 * ```ts
 * import { figureText } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(figureText({ value: 1.234, low: 1.1, high: 1.4 }), "1.23 [1.10, 1.40]");
 * assertEquals(figureText({ value: 1, low: -Infinity, high: Infinity }, 1), "1.0");
 * ```
 */
export function figureText({ value, low, high }: Figure, digits = 2): string {
  const bounds = Number.isFinite(low) && Number.isFinite(high)
    ? ` [${low.toFixed(digits)}, ${high.toFixed(digits)}]`
    : "";
  return `${value.toFixed(digits)}${bounds}`;
}

/**
 * A ratio as a change in percent.
 *
 * @example
 * ```ts
 * import { changeText } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(changeText({ value: 1.2, low: 1.1, high: 1.3 }), "+20 % [+10, +30]");
 * ```
 */
export function changeText({ value, low, high }: Figure): string {
  const percent = (ratio: number): string => signed(100 * (ratio - 1), 0);
  const bounds = Number.isFinite(low) && Number.isFinite(high)
    ? ` [${percent(low)}, ${percent(high)}]`
    : "";
  return `${percent(value)} %${bounds}`;
}

/** A difference with its sign and interval. */
export function differenceText({ value, low, high }: Figure): string {
  const bounds = Number.isFinite(low) && Number.isFinite(high)
    ? ` [${signed(low, 2)}, ${signed(high, 2)}]`
    : "";
  return `${signed(value, 2)}${bounds}`;
}

function signed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  const isZero = Number(text) === 0;
  return isZero ? text.replace("-", "") : value > 0 ? `+${text}` : text;
}
