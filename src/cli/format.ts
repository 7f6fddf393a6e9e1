/**
 * Numbers for people: bytes, durations, rates, and tables with aligned columns.
 *
 * @module
 */

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/**
 * Bytes with a binary unit.
 *
 * @example
 * ```ts
 * import { formatBytes } from "@outrider/outrider/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatBytes(98_362_432), "93.8 MiB");
 * ```
 */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

/**
 * Seconds as a short text: `12 ms`, `3.4 s`, `2 min 05 s`, `1 h 02 min`.
 *
 * @example
 * ```ts
 * import { formatDuration } from "@outrider/outrider/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatDuration(125), "2 min 05 s");
 * ```
 */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 0.9995) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (value: number): string => String(value).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

/**
 * A number with about three significant digits and no exponent where people expect none.
 *
 * @example
 * ```ts
 * import { formatNumber } from "@outrider/outrider/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([0.5, 12.345, 98765].map(formatNumber), ["0.500", "12.3", "98765"]);
 * ```
 */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return size >= 0.001 ? value.toFixed(size >= 1 ? 2 : 3) : value.toExponential(1);
}

/**
 * A table as text: a header, a rule, and rows; columns of numbers are aligned to the right.
 *
 * @example
 * ```ts
 * import { formatTable } from "@outrider/outrider/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const table = formatTable(["drafter", "tau"], [["base", "1.52"], ["finetuned", "2.31"]]);
 * assertEquals(
 *   table,
 *   "drafter     tau\n" + "---------  ----\n" + "base       1.52\n" + "finetuned  2.31\n",
 * );
 * ```
 */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const cells = rows.map((row) =>
    header.map((_, column) => {
      const cell = row[column] ?? "";
      return typeof cell === "number" ? formatNumber(cell) : cell;
    })
  );
  const widths = header.map((title, column) =>
    Math.max(width(title), ...cells.map((row) => width(row[column])))
  );
  const numeric = header.map((_, column) => cells.every((row) => isNumeric(row[column])));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => {
      const padding = " ".repeat(widths[column] - width(cell));
      return numeric[column] ? padding + cell : cell + padding;
    }).join("  ").trimEnd();
  return [line(header), widths.map((size) => "-".repeat(size)).join("  "), ...cells.map(line)]
    .map((text) => `${text}\n`).join("");
}

/** A cell that reads as a number, with or without a sign, a unit or a percent sign, or is empty. */
function isNumeric(cell: string): boolean {
  return /^([+-]?\d[\d.,]*(e[+-]?\d+)?\s?(%|x|ms|s|[KMGT]i?B|B)?|NaN|-?Infinity|-|)$/.test(cell);
}

/** The number of characters a cell takes up, surrogate pairs counted once. */
function width(cell: string): number {
  return [...cell].length;
}
