/**
 * What drafts gain in time, in words that the intervals choose.
 *
 * @module
 */
import { IN_DISTRIBUTION } from "./cells.ts";
import { figureText, sideOf } from "./figure_text.ts";
import type { EvaluationReport, Finding, ReportRow } from "./report_types.ts";

/** What findings about time are made of. */
type Numbers = Pick<EvaluationReport, "rows" | "betweenDrafts">;

/** The findings about time. */
export function speedFindings(numbers: Numbers): Finding[] {
  return [gains(numbers), automatic(numbers), rivals(numbers), noise(numbers)];
}

/** Rows of single tasks with a draft that can gain anything. */
function draftRows({ rows }: Numbers): readonly ReportRow[] {
  return rows.filter(({ task, kind }) => task !== IN_DISTRIBUTION && kind !== "none");
}

/** The fastest, where tau bounds what a draft can gain: any more is noise of the machine. */
function fastest(rows: readonly ReportRow[]): ReportRow {
  const gain = ({ speedUp, tau }: ReportRow) => Math.min(speedUp.value, tau.value);
  return rows.reduce((a, b) => gain(b) > gain(a) ? b : a);
}

function rowText({ name, gamma, decoding, speedUp }: ReportRow): string {
  return `${figureText(speedUp)} (${name}, gamma ${gamma}, ${decoding})`;
}

function gains(numbers: Numbers): Finding {
  const claim = "A draft gains wall-clock time over plain decoding on every task";
  const tasks = Map.groupBy(draftRows(numbers), ({ task }) => task);
  if (tasks.size === 0) return { claim, verdict: "not measured", text: "No draft was measured." };
  const best = [...tasks].map(([task, rows]) => ({ task, row: fastest(rows) }));
  const gaining = best.filter(({ row }) => sideOf(row.speedUp, 1) === "above");
  const others = best.filter(({ row }) => sideOf(row.speedUp, 1) !== "above");
  const list = (some: typeof best) =>
    some.map(({ task, row }) => `${task} ${rowText(row)}`).join("; ");
  const above = `Best ratio to plain decoding where it is above 1: ${list(gaining)}.`;
  const elsewhere = gaining.length === 0
    ? `No ratio to plain decoding is above 1. The best: ${list(others)}.`
    : `No ratio is above 1 elsewhere; the best: ${list(others)}.`;
  const parts = [
    ...(gaining.length === 0 ? [] : [above]),
    ...(others.length === 0 ? [] : [elsewhere]),
  ];
  const isNoise = others.every(({ row }) => sideOf(row.speedUp, 1) === "around");
  const verdict = others.length === 0
    ? "holds"
    : gaining.length > 0
    ? "holds in part"
    : isNoise
    ? "within noise"
    : "does not hold";
  return { claim, verdict, text: parts.join(" ") };
}

function automatic(numbers: Numbers): Finding {
  const claim = "With an automatic draft length no task loses wall-clock time";
  const rows = draftRows(numbers).filter(({ gamma }) => gamma === "auto");
  if (rows.length === 0) {
    return { claim, verdict: "not measured", text: "gamma auto was not measured." };
  }
  const losing = rows.filter(({ speedUp }) => sideOf(speedUp, 1) === "below");
  const worst = rows.reduce((a, b) => b.speedUp.value < a.speedUp.value ? b : a);
  const worstText = `The lowest ratio is that of ${worst.task}, ${rowText(worst)}.`;
  if (losing.length === 0) return { claim, verdict: "holds", text: worstText };
  const text = `${losing.length} of ${rows.length} intervals lie below plain decoding, of which ` +
    `one in forty does so by chance. ${worstText}`;
  return { claim, verdict: losing.length < rows.length ? "holds in part" : "does not hold", text };
}

function rivals(numbers: Numbers): Finding {
  const claim = "A trained draft is faster than prompt lookup and self-speculation on every task";
  const rows = draftRows(numbers);
  const hasBoth = rows.some(({ kind }) => kind === "model") &&
    rows.some(({ kind }) => kind === "lookup" || kind === "self");
  if (!hasBoth) {
    const text = "No trained draft was measured beside lookup or self.";
    return { claim, verdict: "not measured", text };
  }
  const tasks = Map.groupBy(rows, ({ task }) => task);
  const sides = [...tasks].flatMap(([task, all]) => {
    const trained = all.filter(({ kind }) => kind === "model");
    const others = all.filter(({ kind }) => kind === "lookup" || kind === "self");
    if (trained.length === 0 || others.length === 0) return [];
    const [own, other] = [fastest(trained), fastest(others)];
    const isApart = own.speedUp.low > other.speedUp.high || own.speedUp.high < other.speedUp.low;
    const side = !isApart ? "around" : own.speedUp.low > other.speedUp.high ? "above" : "below";
    const text = `${task}: ${rowText(own)} against ${rowText(other)}`;
    return [{ side, text: side === "around" ? `${text}, intervals overlap` : text }];
  });
  const count = (wanted: string) => sides.filter(({ side }) => side === wanted).length;
  const verdict = count("above") === sides.length
    ? "holds"
    : count("above") > 0
    ? "holds in part"
    : count("around") === sides.length
    ? "within noise"
    : "does not hold";
  const text = `The fastest of each: ${sides.map(({ text }) => text).join("; ")}.`;
  return { claim, verdict, text };
}

function noise(numbers: Numbers): Finding {
  const claim = "Plain decoding measured against itself comes out even";
  const rows = numbers.rows.filter(({ task, kind }) => kind === "none" && task !== IN_DISTRIBUTION);
  if (rows.length === 0) {
    return { claim, verdict: "not measured", text: "--draft none would measure it." };
  }
  const apart = rows.filter(({ speedUp }) => sideOf(speedUp, 1) !== "around");
  const text = `${rows.map((row) => `${row.task} ${rowText(row)}`).join("; ")}.`;
  const verdict = apart.length === 0
    ? "holds"
    : apart.length < rows.length
    ? "holds in part"
    : "does not hold";
  return { claim, verdict, text };
}
