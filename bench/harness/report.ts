/**
 * What a benchmark found: as tables for people, as one JSON object for programs.
 *
 * @module
 */
import { formatTable } from "@outrider/outrider/cli";
import type { Ratio, Series } from "./statistics.ts";
import { type Machine, machineLine } from "./machine.ts";

/** Something that could not be measured here. */
export interface Skipped {
  readonly name: string;
  readonly reason: string;
}

/** What a benchmark found. */
export interface Findings {
  readonly series: readonly Series[];
  readonly ratios: readonly Ratio[];
  /** Remarks that belong to the figures, such as whether two engines wrote the same tokens. */
  readonly remarks: readonly string[];
}

/** Findings with what they were found on. */
export interface Report extends Findings {
  readonly benchmark: string;
  readonly machine: Machine;
  /** Sizes and counts that were used. */
  readonly settings: object;
  readonly skipped: readonly Skipped[];
}

/** Findings of several parts as one. */
export function joinFindings(parts: readonly Findings[]): Findings {
  return {
    series: parts.flatMap(({ series }) => series),
    ratios: parts.flatMap(({ ratios }) => ratios),
    remarks: parts.flatMap(({ remarks }) => remarks),
  };
}

/** Whether the floor is kept and the aim reached; nothing where there is none. */
function verdict({ median, floor, aim, better }: Ratio): string {
  const reaches = (bound: number): boolean => better === "more" ? median >= bound : median <= bound;
  if (aim !== undefined && reaches(aim)) return "aim";
  if (floor === undefined) return "";
  return reaches(floor) ? "floor" : "below";
}

function seriesTable(series: readonly Series[]): string {
  const rows = series.map(({ name, median, minimum, maximum, unit, values }) =>
    [name, median, minimum, maximum, unit, values.length] as const
  );
  return formatTable(["measured", "median", "min", "max", "unit", "rounds"], rows);
}

function ratioTable(ratios: readonly Ratio[]): string {
  const rows = ratios.map((ratio) => {
    const { name, median, minimum, maximum, floor, aim } = ratio;
    return [name, median, minimum, maximum, floor ?? "", aim ?? "", verdict(ratio)] as const;
  });
  return formatTable(["ratio", "median", "min", "max", "floor", "aim", "reached"], rows);
}

/** A report as text. */
export function reportText(report: Report): string {
  const { benchmark, machine, settings, series, ratios, remarks, skipped } = report;
  return [
    `\n${benchmark}\n${machineLine(machine)}\n${JSON.stringify(settings)}\n`,
    ...(series.length === 0 ? [] : [seriesTable(series)]),
    ...(ratios.length === 0 ? [] : [ratioTable(ratios)]),
    [
      ...remarks.map((remark) => `${remark}\n`),
      ...skipped.map(({ name, reason }) => `skipped: ${name}: ${reason}\n`),
    ].join(""),
  ].filter((part) => part !== "").join("\n");
}
