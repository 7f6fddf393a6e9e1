/**
 * What trees gave beside chains and plain decoding, and what a pass may take for them to pay.
 *
 * @module
 */
import { formatTable } from "@outrider/outrider/cli";
import type { ContestRow } from "@outrider/outrider/evaluate";
import type { TreeWay } from "./tree_ways.ts";

/** How one way did; times are in steps of plain decoding. */
export interface TreeRow {
  readonly name: string;
  /** Drafted tokens of a step, the mean. */
  readonly nodes: number;
  /** Tokens per target pass. */
  readonly tau: number;
  readonly drafting: number;
  /** v(M): the target's pass over the text's last token and all nodes. */
  readonly pass: number;
  /** Verification, sampling and the host's work. */
  readonly host: number;
  readonly tokensPerSecond: number;
  readonly plainTokensPerSecond: number;
  /** Tokens per second over those of plain decoding. */
  readonly ratio: number;
  /** The most that the pass may take for this tau to pay, the rest as it is. */
  readonly passThatPays: number;
  /** Texts that are those of plain decoding, of so many; left out where only their law is. */
  readonly equalTexts?: number;
  readonly texts: number;
}

/** The row of a way. */
export function treeRow({ shares }: TreeWay, row: ContestRow): TreeRow {
  const { metrics, plainTokensPerSecond, prompts } = row;
  const { seconds, targetPasses, blockEfficiency: tau } = metrics;
  const inSteps = (time: number): number => time * plainTokensPerSecond / Math.max(1, targetPasses);
  const drafting = inSteps(seconds.draft);
  const host = inSteps(seconds.verify + seconds.host);
  return {
    name: row.name,
    nodes: metrics.meanDraftLength,
    tau,
    drafting,
    pass: inSteps(seconds.target),
    host,
    tokensPerSecond: metrics.tokensPerSecond,
    plainTokensPerSecond,
    ratio: row.speedUp,
    passThatPays: Math.max(0, tau - drafting - host),
    equalTexts: shares === "tokens" ? row.equalTexts : undefined,
    texts: prompts,
  };
}

const HEADER = ["way", "nodes", "tau", "drafting", "pass", "host", "tokens/s", "ratio"]
  .concat("pass that pays", "equal texts");

/** Rows as a table. */
export function treeTable(rows: readonly TreeRow[]): string {
  const lines = rows.map((row) => [
    row.name,
    row.nodes,
    row.tau,
    row.drafting,
    row.pass,
    row.host,
    row.tokensPerSecond,
    row.ratio,
    row.passThatPays,
    row.equalTexts === undefined ? "in law" : `${row.equalTexts}/${row.texts}`,
  ]);
  return formatTable(HEADER, lines);
}

/** What the rows come to, in words; the first is the chain. */
export function treeVerdict([chain, ...trees]: readonly TreeRow[]): string {
  const sized = trees.filter(({ name }) => !name.endsWith("auto"));
  if (chain === undefined || sized.length === 0) return "";
  const best = sized.reduce((a, b) => b.tau > a.tau ? b : a);
  const fastest = [chain, ...trees].reduce((a, b) => b.ratio > a.ratio ? b : a);
  const words = (value: number): string => value.toFixed(2);
  const pays = best.pass < best.passThatPays
    ? "which pays here"
    : `and pays where a pass of ${Math.round(1 + best.nodes)} rows takes less than ` +
      `${words(best.passThatPays)} of a plain step, which is ${words(best.pass)} here`;
  return `${best.name} gives ${words(best.tau / chain.tau)} times the tokens per pass of ` +
    `${chain.name}, ${pays}.\nFastest: ${fastest.name}, ${words(fastest.ratio)} times plain.\n`;
}
