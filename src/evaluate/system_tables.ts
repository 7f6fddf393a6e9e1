/**
 * Systems of a report as tables of text.
 *
 * @module
 */
import { figureText } from "./figure_text.ts";
import { systemName } from "./system_name.ts";
import type { MissingSystem, SystemLoss, SystemRow, SystemsReport } from "./system_types.ts";
import type { ReportTable, TableGroup } from "./tables.ts";

/** Two digits, of small numbers as well. */
function short(value: number): string {
  return value >= 10 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(2);
}

function exactText({ exactness }: SystemRow): string {
  return exactness.by === "law" ? "in law" : `${exactness.equal}/${exactness.texts}`;
}

const COLUMNS = [
  ...["system", "decoding", "tau", "acceptance", "drafting", "pass", "host"],
  ...["over plain", "same texts"],
];

function systemLine(row: SystemRow): string[] {
  const { decoding, tau, acceptance, rows, costs, speedUp } = row;
  return [
    systemName(row),
    decoding,
    figureText(tau),
    acceptance.toFixed(2),
    short(costs.drafting),
    `v(${rows.toFixed(1)}) = ${short(costs.pass)}`,
    short(costs.host),
    figureText(speedUp),
    exactText(row),
  ];
}

/** One table per task, of all systems and decodings. */
function tablesByTask(
  rows: readonly SystemRow[],
  header: readonly string[],
  line: (row: SystemRow) => readonly string[],
): ReportTable[] {
  const groups = Map.groupBy(rows, ({ task }) => task);
  return [...groups].map(([title, group]) => ({ title, header, rows: group.map(line) }));
}

/** What a step takes most of, such as "v(4.0) = 2.2". */
function costText({ costs, rows }: SystemRow, { because, together }: SystemLoss): string {
  if (together !== undefined) {
    const both = `${short(costs.drafting + costs.pass)} passes for both models`;
    return because === "pass" ? `${both}, the target is the longer` : `${both}, the draft is`;
  }
  const name = because === "pass" ? `v(${rows.toFixed(1)})` : because;
  return `${name} = ${short(costs[because])}`;
}

/** The ratio of a target pass to a draft pass at which a system would win. */
function ratioText({ targetOverDraft, winsFrom }: SystemLoss): string {
  if (targetOverDraft === undefined) return "";
  const now = ` (now ${short(targetOverDraft)})`;
  return winsFrom === undefined ? `none${now}` : `from ${short(winsFrom)}${now}`;
}

/** The v(M) at which a system would win. */
function passText(
  { pass, winsWithFreeRowsFrom, draftingWithFreeRows, together }: SystemLoss,
): string {
  if (together !== undefined) return `both together below ${short(together)}`;
  if (pass !== undefined) return `below ${short(pass)}`;
  if (draftingWithFreeRows === undefined) return "none";
  if (winsWithFreeRowsFrom === undefined) return "1, with drafting for nothing";
  return `1, and a ratio from ${short(winsWithFreeRowsFrom)}`;
}

function lossTables(rows: readonly SystemRow[]): ReportTable[] {
  const losing = rows.flatMap((row) => row.loss === undefined ? [] : [{ row, loss: row.loss }]);
  const header = ["system", "decoding", "costs most", "target pass / draft pass", "v(M)", "tau"];
  const groups = Map.groupBy(losing, ({ row }) => row.task);
  return [...groups].map(([title, group]) => ({
    title,
    header,
    rows: group.map(({ row, loss }) => [
      systemName(row),
      row.decoding,
      costText(row, loss),
      ratioText(loss),
      passText(loss),
      `from ${loss.tau.toFixed(2)} (now ${row.tau.value.toFixed(2)})`,
    ]),
  }));
}

function missingTable(missing: readonly MissingSystem[]): ReportTable {
  return {
    title: "Left out",
    header: ["system", "why", "what makes it"],
    rows: missing.map(({ title, reason, commands }) => [title, reason, commands.at(-1) ?? ""]),
  };
}

const NOTE =
  "tau is tokens per target pass; acceptance is accepted over judged tokens, of trees the " +
  "share of passes in which a drafted token stood. Drafting, pass and host are what a step takes in " +
  "times of a plain target pass, v(M) that with M rows; where both models run at once, the pass is " +
  "what the target was waited for. Over plain is tokens per second over those of plain decoding of " +
  "the same prompts in turns, prefill apart. Texts that are equal in law are drawn from the target's " +
  "distribution, which a few texts cannot show: the tests of the decoders add it up over all outcomes.";

const LOSS_NOTE =
  "A step may take as long as tau plain ones. The last columns say at which ratio of " +
  "the models' times, at which v(M) and at which tau the system would be as fast as plain decoding, " +
  "all else as measured; where v(M) = 1 is not enough, the ratio that it takes besides. None: at " +
  "this tau its other costs alone are too much.";

const MISSING_NOTE =
  "Of these nothing was measured. The commands that come before the ones shown are " +
  "in the JSON report.";

/**
 * The tables of systems: what they give and cost, when those that lose time would pay, and which were
 * left out; groups of nothing are none.
 *
 * @example
 * ```ts
 * import { systemTables } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * const missing = [{ title: "CTC", reason: "needs a drafter", commands: ["deno task ctc-draft"] }];
 * const [{ title, tables }] = systemTables({ rows: [], missing });
 * assertEquals([title, tables[0].rows], [
 *   "Systems left out",
 *   [["CTC", "needs a drafter", "deno task ctc-draft"]],
 * ]);
 * ```
 */
export function systemTables({ rows, missing }: SystemsReport): TableGroup[] {
  const left = missing.length === 0 ? [] : [missingTable(missing)];
  const groups: readonly TableGroup[] = [
    { title: "Systems", note: NOTE, tables: tablesByTask(rows, COLUMNS, systemLine) },
    { title: "Systems that lose time", note: LOSS_NOTE, tables: lossTables(rows) },
    { title: "Systems left out", note: MISSING_NOTE, tables: left },
  ];
  return groups.filter(({ tables }) => tables.length > 0);
}
