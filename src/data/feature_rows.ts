/**
 * A target's features of texts, kept as 16-bit floats: one row for every token of prompt and response
 * but the last, behind which nothing is to be drafted.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { DistillationEntry } from "./distillation_set.ts";
import { readRowsSync } from "./set_files.ts";

/** Whose features are kept, and how rows are laid out in a file. */
export interface FeatureLayout {
  /** The layout of the files. */
  readonly version: 1;
  /** The target as it was named. */
  readonly target: string;
  /** How its weights were kept. */
  readonly dtype: string;
  /** Where the features come from, as `tappedFeatures` counts. */
  readonly taps: readonly number[];
  /** Numbers of a row. */
  readonly width: number;
  /** Most rows of an entry: longer ones have none. */
  readonly mostRows: number;
}

const HALF_BYTES = 2;

/** Bytes that a row takes in a file. */
export function featureRowBytes({ width }: Pick<FeatureLayout, "width">): number {
  return HALF_BYTES * width;
}

/**
 * The rows that a file has of an entry: none where there is no response, or where it is too long.
 *
 * @example
 * ```ts
 * import { featureRowsOf } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = (response: number[]) => featureRowsOf({ prompt: [1, 2], response }, { mostRows: 4 });
 * assertEquals([[], [3], [3, 4, 5], [3, 4, 5, 6]].map(rows), [0, 2, 4, 0]);
 * ```
 */
export function featureRowsOf(
  { prompt, response }: Pick<DistillationEntry, "prompt" | "response">,
  { mostRows }: Pick<FeatureLayout, "mostRows">,
): number {
  const rows = prompt.length + response.length - 1;
  return response.length === 0 || rows > mostRows ? 0 : rows;
}

/**
 * Rows of features as bytes, rounded to 16-bit floats, little-endian.
 *
 * @throws OutriderError where a number is none, or too large for 16 bits
 * @example
 * ```ts
 * import { decodeFeatures, encodeFeatures } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const values = Float32Array.of(0.5, -3);
 * assertEquals(decodeFeatures(encodeFeatures(values)), values);
 * ```
 */
export function encodeFeatures(values: Float32Array): Uint8Array {
  const halves = new Float16Array(values);
  const bad = halves.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return new Uint8Array(halves.buffer);
  throw new OutriderError(
    "features that 16-bit floats can hold",
    `${values[bad]}`,
    "check the target's weights, or choose other taps",
  );
}

/** The numbers of rows that {@link encodeFeatures} wrote. */
export function decodeFeatures(bytes: Uint8Array): Float32Array {
  return new Float32Array(new Float16Array(bytes.slice().buffer));
}

/** Reads rows of one entry, whose first is row `first` of the file. */
export function featureReader(
  file: Deno.FsFile,
  first: number,
  layout: FeatureLayout,
): (from: number, count: number) => Float32Array[] {
  const { width } = layout;
  const size = featureRowBytes(layout);
  return (from, count) => {
    const bytes = readRowsSync(file, { from: first + from, count, size, what: "features" });
    const values = decodeFeatures(bytes);
    return Array.from({ length: count }, (_, i) => values.subarray(i * width, (i + 1) * width));
  };
}
