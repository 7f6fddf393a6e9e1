/**
 * Systems of speculative decoding side by side: the rows of a report that belong to each, with what
 * they cost and when they would pay.
 *
 * @module
 */
import type { ReportRow } from "./report_types.ts";
import { lossOf } from "./system_loss.ts";
import type {
  MeasuredSystem,
  SystemArm,
  SystemRow,
  Systems,
  SystemsReport,
} from "./system_types.ts";

/** The part of a report that is about systems, from its rows. */
export function systemsOf(
  { measured, missing }: Systems,
  rows: readonly ReportRow[],
): SystemsReport {
  const places = [...new Set(rows.map(placeOf))];
  const found = measured.flatMap((system) =>
    system.arms.flatMap((arm) =>
      rows.filter((row) => isOf(row, arm)).map((row) => ({
        place: places.indexOf(placeOf(row)),
        row: systemRow(system, arm, row),
      }))
    )
  );
  // The order of systems is that of the program, within tasks and decodings in that of the rows.
  const ordered = found.toSorted((a, b) => a.place - b.place);
  return { rows: ordered.map(({ row }) => row), missing };
}

function placeOf({ task, decoding }: Pick<ReportRow, "task" | "decoding">): string {
  return JSON.stringify([task, decoding]);
}

function isOf(row: ReportRow, { draft, gamma, verify }: SystemArm): boolean {
  return row.name === draft && row.gamma === gamma && row.verify === verify;
}

function systemRow(
  system: MeasuredSystem,
  { draft, setting }: SystemArm,
  row: ReportRow,
): SystemRow {
  const { task, decoding, prompts, tau, metrics, costs, speedUp } = row;
  const loss = lossOf(system, row);
  return {
    title: system.title,
    draft,
    setting,
    task,
    decoding,
    prompts,
    tau,
    acceptance: system.drafts === "trees" ? metrics.acceptanceJoint[0] ?? 0 : metrics.acceptance,
    rows: 1 + metrics.meanDraftLength,
    costs,
    speedUp,
    exactness: row.greedy || system.sampled === "tokens"
      ? { by: "tokens", equal: row.equalTexts, texts: prompts }
      : { by: "law" },
    ...(loss === undefined ? {} : { loss }),
  };
}
