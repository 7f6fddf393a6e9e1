/**
 * A report as Markdown.
 *
 * @module
 */
import type { EvaluationReport } from "./report_types.ts";
import { tablesOf } from "./report_tables.ts";
import type { ReportTable } from "./tables.ts";

/** What was measured, in a few pairs of names and values. */
export function factsOf(report: EvaluationReport): (readonly [name: string, value: string])[] {
  const tasks = new Map(report.plain.map((row) => [row.task, row]));
  const names = [...tasks.values()].map(({ task, outOfDistribution }) =>
    outOfDistribution ? `${task} (out of distribution)` : task
  );
  return [
    ["target", report.target],
    ["weights", `${report.dtype}, keys and values ${report.cache}`],
    ["tasks", names.join(", ")],
    ...placesOf(report),
    ["longest answer", `${report.maxTokens} tokens`],
    ["seed", `${report.seed}`],
  ];
}

/** What decoded where, a line each. */
export function placesOf(
  { decoders }: Pick<EvaluationReport, "decoders">,
): (readonly [name: string, value: string])[] {
  if (decoders === undefined) return [];
  const { device, host } = decoders;
  const lines = [["decoded on the device", device], ["decoded on the host", host]] as const;
  return lines.filter(([, names]) => names.length > 0)
    .map(([place, names]) => [place, names.join(", ")]);
}

/** How intervals are to be read. */
export const INTERVALS =
  "Brackets are 95 % intervals by bootstrap over prompts, each for itself: " +
  "of twenty, one misses by chance.";

/**
 * A report as Markdown.
 *
 * @example
 * ```ts
 * import { markdownOf, reportOf } from "@outrider/outrider/evaluate";
 * import { assert } from "@std/assert";
 *
 * const head = { target: "t", tokenizer: "", dtype: "f32", cache: "f32", maxTokens: 8, seed: 1 };
 * assert(markdownOf(reportOf({ head, records: [] })).startsWith("# Drafts for t\n"));
 * ```
 */
export function markdownOf(report: EvaluationReport): string {
  const facts = factsOf(report).map(([name, value]) => `- ${name}: ${value}`);
  const findings = report.findings.map(({ claim, verdict, text }) =>
    `- **${claim}: ${verdict}.** ${text}`
  );
  const groups = tablesOf(report).flatMap(({ title, note, tables }) => [
    `## ${title}`,
    note,
    ...tables.flatMap((table) => [`### ${table.title}`, tableText(table)]),
  ]);
  return [
    `# Drafts for ${report.target}`,
    facts.join("\n"),
    "## What holds",
    findings.join("\n"),
    INTERVALS,
    ...groups,
  ].join("\n\n") + "\n";
}

function tableText({ header, rows }: ReportTable): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}
