/**
 * How attention cuts the entries of a row, and the record that it keeps of a part.
 *
 * @module
 */

/**
 * Entries that attention takes together: row r's entries cut every so many from the first on. Sums
 * run within a part, and parts are joined in order, wherever each of them was computed.
 */
export const ATTENTION_PART = 256;

/** The most parts that a row of an attention can have. */
export function attentionParts({ slots, extras }: { slots: number; extras: number }): number {
  return Math.ceil((slots + extras) / ATTENTION_PART);
}

/** f32 elements of one record of attention in parts. */
export function attentionRecord({ headWidth }: { headWidth: number }): number {
  return 4 * Math.ceil(headWidth / 4) + 8;
}
