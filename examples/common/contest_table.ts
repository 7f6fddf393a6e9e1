/**
 * The comparison of drafts as a table.
 *
 * @module
 */
import { formatTable } from "@outrider/outrider/cli";
import type { ContestRow } from "@outrider/outrider/evaluate";

const HEADER = [
  "draft",
  "size",
  "tau",
  "alpha",
  "MBSU",
  "tokens/s",
  "plain",
  "ratio",
  "equal texts",
];

/** One line per draft; sampled texts are equal in law only, so they are not counted. */
export function contestTable(rows: readonly ContestRow[], choice: "greedy" | "sampled"): string {
  const lines = rows.map((
    { name, metrics, plainTokensPerSecond, speedUp, equalTexts, prompts },
  ) => [
    name,
    `${(100 * metrics.draftSizeRatio).toFixed(2)} %`,
    metrics.blockEfficiency,
    metrics.acceptance,
    metrics.memoryBoundSpeedUp,
    metrics.tokensPerSecond,
    plainTokensPerSecond,
    speedUp,
    choice === "greedy" ? `${equalTexts}/${prompts}` : "sampled",
  ]);
  return formatTable(HEADER, lines);
}
