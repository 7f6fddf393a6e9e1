/**
 * Where the report of an evaluation goes: the terminal, and files.
 *
 * @module
 */
import { type CommandContext, formatTable } from "@outrider/outrider/cli";
import {
  contestTables,
  type EvaluationReport,
  figuresOf,
  htmlOf,
  markdownOf,
  placesOf,
  systemTables,
} from "@outrider/outrider/evaluate";
import { writeTextAtomically } from "@outrider/outrider/io";
import { drawFigures } from "./draw_figures.ts";

/** A report for a terminal: tables, then what holds of what was measured. */
export function terminalReport(report: EvaluationReport): string {
  const systems = report.systems && systemTables(report.systems);
  const shown = systems === undefined
    ? contestTables(report)
    : systems.flatMap(({ title, tables }) =>
      tables.map((table) => ({ ...table, title: `${title}: ${table.title}` }))
    );
  const tables = shown.map(({ title, header, rows }) => `${title}\n\n${formatTable(header, rows)}`);
  const findings = report.findings.filter(({ verdict }) => verdict !== "not measured")
    .map(({ claim, verdict, text }) => `${claim}: ${verdict}. ${text}\n`);
  const places = placesOf(report).map(([place, names]) => `${place}: ${names}\n`);
  return [...tables, [...findings, ...places].join("")].join("\n");
}

/** Writes `report.json`, `report.md` and `report.html` into a folder. */
export async function writeReport(
  folder: string,
  report: EvaluationReport,
  { log }: Pick<CommandContext, "log">,
): Promise<void> {
  const figures = await drawFigures(figuresOf(report)).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    log(`report.html is without figures: ${reason.split("\n")[0]}\n`);
    return [];
  });
  const json = `${JSON.stringify(report, null, 2)}\n`;
  await writeTextAtomically(`${folder}/report.json`, json);
  await writeTextAtomically(`${folder}/report.md`, markdownOf(report));
  await writeTextAtomically(`${folder}/report.html`, htmlOf(report, figures));
}
