/**
 * What drafts gain in time, in words that the intervals choose.
 *
 * @module
 */
import type { Figure } from "./bootstrap.ts";
import { IN_DISTRIBUTION } from "./cells.ts";
import { isChain } from "./draft_names.ts";
import { figureText } from "./figure_text.ts";
import type { EvaluationReport, Finding, ReportRow } from "./report_types.ts";
import { type Side, sideOf, verdictOf } from "./sides.ts";

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

/** The fastest of those that gain time, or of all where none does. */
function fastest(rows: readonly ReportRow[]): ReportRow {
  const gain = ({ speedUp, tau }: ReportRow) => Math.min(speedUp.value, tau.value);
  const gaining = rows.filter(isGaining);
  const eligible = gaining.length > 0 ? gaining : rows;
  return eligible.reduce((a, b) => gain(b) > gain(a) ? b : a);
}

/** tau bounds what a draft can gain: more than that is noise of the machine. */
function sideOfGain({ speedUp, tau }: ReportRow): Side {
  return speedUp.value > tau.high ? "around" : sideOf(speedUp, 1);
}

function isGaining(row: ReportRow): boolean {
  return sideOfGain(row) === "above";
}

function rowText(row: ReportRow): string {
  const { name, gamma, decoding, speedUp, verify } = row;
  const use = isChain(row) ? "" : `, ${verify}`;
  return `${figureText(speedUp)} (${name}, gamma ${gamma}, ${decoding}${use})`;
}

function gains(numbers: Numbers): Finding {
  const claim = "A draft gains wall-clock time over plain decoding on every task";
  const tasks = Map.groupBy(draftRows(numbers), ({ task }) => task);
  if (tasks.size === 0) return { claim, verdict: "not measured", text: "No draft was measured." };
  const best = [...tasks].map(([task, rows]) => ({ task, row: fastest(rows) }));
  const gaining = best.filter(({ row }) => isGaining(row));
  const others = best.filter(({ row }) => !isGaining(row));
  const list = (some: typeof best) =>
    some.map(({ task, row }) => `${task} ${rowText(row)}`).join("; ");
  const above = `The best ratio to plain decoding above 1: ${list(gaining)}.`;
  const elsewhere = `No draft's interval lies above 1 on ${
    others.map(({ task }) => task).join(", ")
  }; the best ratio: ${list(others)}.`;
  const parts = [
    ...(gaining.length === 0 ? [] : [above]),
    ...(others.length === 0 ? [] : [elsewhere]),
  ];
  const verdict = verdictOf(best.map(({ row }) => sideOfGain(row)), "above");
  return { claim, verdict, text: parts.join(" ") };
}

function automatic(numbers: Numbers): Finding {
  const claim = "With an automatic draft length no task loses wall-clock time";
  // PEARL's length keeps both models busy and is never 0.
  const rows = draftRows(numbers).filter(({ gamma, verify }) =>
    gamma === "auto" && verify !== "pearl"
  );
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

/** On which side of another figure's whole interval a figure's whole interval lies. */
function sideAgainst(one: Figure, other: Figure): Side {
  return one.low > other.high ? "above" : one.high < other.low ? "below" : "around";
}

function isTrained({ kind }: Pick<ReportRow, "kind">): boolean {
  return ["model", "lookup+model", "block", "ctc"].includes(kind);
}

function rivals(numbers: Numbers): Finding {
  const claim = "A trained draft is faster than prompt lookup and self-speculation on every task";
  const rows = draftRows(numbers);
  const hasBoth = rows.some(isTrained) &&
    rows.some(({ kind }) => kind === "lookup" || kind === "self");
  if (!hasBoth) {
    const text = "No trained draft was measured beside lookup or self.";
    return { claim, verdict: "not measured", text };
  }
  const tasks = Map.groupBy(rows, ({ task }) => task);
  const sides = [...tasks].flatMap(([task, all]) => {
    const trained = all.filter(isTrained);
    const others = all.filter(({ kind }) => kind === "lookup" || kind === "self");
    if (trained.length === 0 || others.length === 0) return [];
    const [own, other] = [fastest(trained), fastest(others)];
    const side = sideAgainst(own.speedUp, other.speedUp);
    const text = `${task}: ${rowText(own)} against ${rowText(other)}`;
    return [{ side, text: side === "around" ? `${text}, intervals overlap` : text }];
  });
  const verdict = verdictOf(sides.map(({ side }) => side), "above");
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
