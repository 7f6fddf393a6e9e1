/**
 * Tables of text, for whatever shows them.
 *
 * @module
 */

/** A table in text. */
export interface ReportTable {
  /** What it shows. */
  readonly title: string;
  /** Names of the columns. */
  readonly header: readonly string[];
  /** The cells. */
  readonly rows: readonly (readonly string[])[];
}

/** Tables that belong together. */
export interface TableGroup {
  /** What they show together. */
  readonly title: string;
  /** How to read them. */
  readonly note: string;
  /** The tables. */
  readonly tables: readonly ReportTable[];
}
