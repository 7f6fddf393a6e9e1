/**
 * A report as tables of text, for whatever shows them.
 *
 * @module
 */
import type { DraftComparison } from "./comparisons.ts";
import { changeText, differenceText, figureText } from "./figure_text.ts";
import type { EvaluationReport, PlainRow, ReportRow } from "./report_types.ts";
import { systemTables } from "./system_tables.ts";
import type { ReportTable, TableGroup } from "./tables.ts";

/** "3", or "3, token" where other rules than the usual one are among the rows. */
function gammaText({ gamma, verify }: ReportRow | DraftComparison): string {
  return verify === "block" ? `${gamma}` : `${gamma}, ${verify}`;
}

/** Three digits, more where they are whole ones, and no exponent. */
function numberText(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 0.01 ? value.toPrecision(3) : value.toFixed(4);
}

/** One table per task and decoding, in order. */
function byTask<Row extends { readonly task: string; readonly decoding: string }>(
  rows: readonly Row[],
  header: readonly string[],
  line: (row: Row) => readonly string[],
): ReportTable[] {
  const groups = Map.groupBy(rows, ({ task, decoding }) => `${task}, ${decoding}`);
  return [...groups].map(([title, group]) => ({ title, header, rows: group.map(line) }));
}

const CONTEST = ["draft", "gamma", "size", "tau", "alpha", "MBSU", "tokens/s", "plain", "ratio"];

/**
 * One line per draft and setting, one table per task and decoding; sampled texts are equal in law
 * only, so they are not counted.
 */
export function contestTables({ rows }: Pick<EvaluationReport, "rows">): ReportTable[] {
  return byTask(rows, [...CONTEST, "equal texts"], (row) => [
    row.name,
    gammaText(row),
    `${(100 * row.metrics.draftSizeRatio).toFixed(2)} %`,
    figureText(row.tau),
    row.alpha.value.toFixed(3),
    figureText(row.memoryBoundSpeedUp),
    numberText(row.metrics.tokensPerSecond),
    numberText(row.plainTokensPerSecond),
    figureText(row.speedUp),
    row.greedy ? `${row.equalTexts}/${row.prompts}` : "sampled",
  ]);
}

/** Finetuned over base tau. */
function baseTables({ withBase }: EvaluationReport): ReportTable[] {
  const header = [
    "draft",
    "gamma",
    "tau over base",
    "tau minus base",
    "speed over base",
    "prompts",
  ];
  return byTask(withBase, header, (one) => [
    one.of,
    gammaText(one),
    changeText(one.tauRatio),
    differenceText(one.tauDifference),
    figureText(one.speedRatio),
    `${one.prompts}`,
  ]);
}

function pairTables({ betweenDrafts }: EvaluationReport): ReportTable[] {
  const header = ["drafts", "gamma", "difference in tau", "ratio of speeds", "prompts"];
  return byTask(betweenDrafts, header, (one) => [
    `${one.of} minus ${one.with}`,
    gammaText(one),
    differenceText(one.tauDifference),
    figureText(one.speedRatio),
    `${one.prompts}`,
  ]);
}

/** Acceptance by the place of a drafted token. */
function placeTables({ rows }: EvaluationReport): ReportTable[] {
  const shown = 8;
  const longest = rows.reduce(
    (most, { metrics }) => Math.max(most, metrics.acceptanceJoint.length),
    0,
  );
  const places = Array.from({ length: Math.min(shown, longest) }, (_, i) => i);
  const header = ["draft", "gamma", "accepted/drafted", ...places.map((i) => `token ${i + 1}`)];
  return byTask(rows.filter(({ metrics }) => metrics.acceptanceJoint.length > 0), header, (row) => {
    const { acceptanceJoint, acceptanceConditional, draftEfficiency } = row.metrics;
    const cells = places.map((i) =>
      i >= acceptanceJoint.length
        ? ""
        : `${acceptanceJoint[i].toFixed(2)} (${acceptanceConditional[i].toFixed(2)})`
    );
    return [row.name, gammaText(row), draftEfficiency.toFixed(3), ...cells];
  });
}

/** Milliseconds per token by what takes them. */
function timeCells({ metrics }: ReportRow | PlainRow): string[] {
  const { seconds, tokens } = metrics;
  const parts = [seconds.target, seconds.draft, seconds.verify, seconds.host];
  const cells = parts.map((part) => tokens === 0 ? "" : numberText(1000 * part / tokens));
  return [...cells, numberText(seconds.prefill)];
}

function timeTables({ rows, plain }: EvaluationReport): ReportTable[] {
  const header = ["draft", "gamma", "target", "draft", "verify", "host", "prefill, s in all"];
  const all = [
    ...plain.map((row) => ({ ...row, cells: ["plain", "", ...timeCells(row)] })),
    ...rows.map((row) => ({ ...row, cells: [row.name, gammaText(row), ...timeCells(row)] })),
  ];
  return byTask(all, header, ({ cells }) => cells);
}

function curveTables({ curves }: EvaluationReport): ReportTable[] {
  const lines = curves.flatMap(({ points, ...curve }) =>
    points.map((point) => ({ ...curve, ...point }))
  );
  return byTask(lines, ["run", "gamma", "steps", "tau"], ({ run, gamma, steps, tau }) => [
    run,
    `${gamma}`,
    `${steps}`,
    figureText(tau),
  ]);
}

/** All tables of a report; groups of nothing are left out. */
export function tablesOf(report: EvaluationReport): TableGroup[] {
  const groups: readonly TableGroup[] = [
    ...(report.systems === undefined ? [] : systemTables(report.systems)),
    {
      title: "Drafts",
      note: "tau is tokens per target pass; alpha is accepted over judged tokens; MBSU is " +
        "tau / (1 + c gamma) with c the size; ratio is tokens per second over those of plain " +
        "decoding of the same prompts in turns, prefill apart.",
      tables: contestTables(report),
    },
    {
      title: "Finetuned drafts with the base",
      note: "On the same prompts, in pairs.",
      tables: baseTables(report),
    },
    {
      title: "Drafts with one another",
      note: "On the same prompts, in pairs; an interval around 0 is within noise.",
      tables: pairTables(report),
    },
    {
      title: "tau against finetuning steps",
      note: "Step 0 is the base.",
      tables: curveTables(report),
    },
    {
      title: "Acceptance by place",
      note: "The share of drafts whose first 1, 2, ... tokens all stood and, in brackets, of " +
        "those in which all before stood.",
      tables: placeTables(report),
    },
    {
      title: "Where the time goes",
      note: "Milliseconds per token.",
      tables: timeTables(report),
    },
  ];
  return groups.filter(({ tables }) => tables.length > 0);
}
