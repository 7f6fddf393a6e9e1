/**
 * Some of the taps that the features of a corpus were written at, for drafters that read fewer.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { FeatureLayout } from "./feature_rows.ts";
import type { Corpus } from "./packing.ts";

/**
 * A corpus whose features are those at some of the taps, in this order.
 *
 * @param layout of the features that the corpus has
 * @throws OutriderError where they were not written at one of the taps, or none is named
 * @example
 * ```ts
 * import { featuresAt, responseDocument } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const features = (_: number, count: number) =>
 *   Array.from({ length: count }, () => Float32Array.of(1, 2, 3, 4));
 * const corpus = { length: 1, document: () => ({ ...responseDocument([1], [2]), features }) };
 * const last = featuresAt(corpus, { taps: [3, 6], width: 4 }, [6]);
 * assertEquals(last.document(0).features?.(0, 1), [Float32Array.of(3, 4)]);
 * ```
 */
export function featuresAt(
  corpus: Corpus,
  layout: Pick<FeatureLayout, "taps" | "width">,
  taps: readonly number[],
): Corpus {
  const places = taps.map((tap) => layout.taps.indexOf(tap));
  if (places.includes(-1) || taps.length === 0) {
    throw new OutriderError(
      `taps out of ${layout.taps.join(", ")}`,
      taps.join(", ") || "none",
      "write the features at these taps, or choose others",
    );
  }
  const width = layout.width / layout.taps.length;
  const chosen = (row: Float32Array): Float32Array => {
    const values = new Float32Array(taps.length * width);
    places.forEach((from, to) =>
      values.set(row.subarray(from * width, (from + 1) * width), to * width)
    );
    return values;
  };
  return {
    length: corpus.length,
    document: (index) => {
      const document = corpus.document(index);
      const { features } = document;
      if (features === undefined) return document;
      return { ...document, features: (from, count) => features(from, count).map(chosen) };
    },
  };
}
