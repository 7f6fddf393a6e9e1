/**
 * Small charts in rows and columns, as Vega-Lite specifications.
 *
 * @module
 */
import type { Figure } from "./bootstrap.ts";

/** What JSON can hold. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json };

/** A figure that is not drawn yet. */
export interface ReportFigure {
  /** Short, for a heading. */
  readonly title: string;
  /** What it shows, for those who do not see it. */
  readonly description: string;
  /** A Vega-Lite specification, version 6, with its data. */
  readonly spec: { readonly [name: string]: Json };
}

/** The data of a chart, a value per mark. */
export type Values = readonly { readonly [name: string]: Json }[];

/** Colours of text follow the page, so that a figure can be read in the light and in the dark. */
const CONFIG: Json = {
  aria: false,
  background: null,
  font: "system-ui, sans-serif",
  view: { stroke: "#8884" },
  axis: {
    labelColor: "currentColor",
    titleColor: "currentColor",
    gridColor: "#8883",
    domainColor: "#888",
    tickColor: "#888",
    labelLimit: 220,
  },
  legend: { labelColor: "currentColor", titleColor: "currentColor" },
  header: { labelColor: "currentColor", titleColor: "currentColor" },
};

/** The width of a small chart. */
export const WIDTH = 220;

/** The different values of a field, in order: without them charts would be sorted by name. */
function orderOf(values: Values, field: string): Json {
  return [...new Set(values.map((value) => value[field]))];
}

/** A small chart per task and decoding. */
export function charts(values: Values, spec: Json): ReportFigure["spec"] {
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    data: { values },
    facet: {
      row: { field: "task", type: "nominal", title: null, sort: orderOf(values, "task") },
      column: {
        field: "decoding",
        type: "nominal",
        title: null,
        sort: orderOf(values, "decoding"),
      },
    },
    spec,
    config: CONFIG,
  };
}

/** A figure's bounds, or its value where they are not known. */
export function bounded(
  name: string,
  { value, low, high }: Figure,
): { readonly [name: string]: Json } {
  return {
    [name]: value,
    low: Number.isFinite(low) ? low : value,
    high: Number.isFinite(high) ? high : value,
  };
}
