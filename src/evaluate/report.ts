/**
 * The report of an evaluation: a pure function of its records.
 *
 * @module
 */
import { foldIn, keyOf } from "../core/random.ts";
import { bootstrap, drawPrompts, type Draws, type Figure } from "./bootstrap.ts";
import { type Cell, cellsOf, plainCellsOf, type Sample } from "./cells.ts";
import {
  comparisonsOfDrafts,
  comparisonsWithBase,
  curvesOf,
  type DrawsOf,
  tauOf,
} from "./comparisons.ts";
import { finalDrafts } from "./draft_names.ts";
import { findingsOf } from "./findings.ts";
import { metricsOfTally } from "./metrics.ts";
import type { EvaluationHead, EvaluationRecord } from "./record.ts";
import type { DecoderPlaces, EvaluationReport, ReportRow } from "./report_types.ts";
import { stepCostsOf } from "./step_costs.ts";
import type { Systems } from "./system_types.ts";
import { systemsOf } from "./systems.ts";
import { addTallies, decodingSeconds, ratio } from "./tally.ts";

/**
 * The report of records; with `systems`, these side by side as well.
 *
 * @example
 * ```ts
 * import { type EvaluationRecord, NO_TALLY, reportOf } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * const head = { target: "t", tokenizer: "", dtype: "f32", cache: "f32", maxTokens: 8, seed: 1 };
 * const text = {
 *   task: { name: "chat", outOfDistribution: false },
 *   prompt: 0,
 *   promptDigest: "p",
 *   decoding: { name: "T=0", greedy: true },
 *   visit: 1,
 *   digest: "d",
 * };
 * const draft = { name: "lookup", kind: "lookup", fingerprint: "", sizeRatio: 0 } as const;
 * const records: EvaluationRecord[] = [
 *   { ...text, tally: { ...NO_TALLY, tokens: 8, passes: 8 } },
 *   { ...text, arm: { draft, gamma: 3, verify: "block" }, tally: { ...NO_TALLY, tokens: 8, passes: 4 } },
 * ];
 * const { rows: [row] } = reportOf({ head, records });
 * assertEquals([row.name, row.tau.value, row.equalTexts], ["lookup", 2, 1]);
 * ```
 */
export function reportOf(
  { head, records, systems, decoders }: {
    readonly head: EvaluationHead;
    readonly records: readonly EvaluationRecord[];
    readonly systems?: Systems;
    readonly decoders?: DecoderPlaces;
  },
): EvaluationReport {
  const drawsOf = sharedDraws(head.seed);
  const cells = cellsOf(records);
  const drafts = cells.map(({ draft }) => draft);
  const finals = finalDrafts(drafts);
  const rivals = drafts.filter(({ kind }) => ["lookup", "lookup+model", "self"].includes(kind));
  const compared = new Set([...rivals.map(({ name }) => name), ...finals]);
  const report = {
    ...head,
    ...(decoders === undefined ? {} : { decoders }),
    plain: plainCellsOf(records).map(({ task, decoding, tallies }) => ({
      task: task.name,
      outOfDistribution: task.outOfDistribution,
      decoding: decoding.name,
      metrics: metricsOfTally(addTallies(tallies), { draftSizeRatio: 0 }),
      texts: tallies.length,
    })),
    rows: cells.map((cell) => rowOf(cell, drawsOf)),
    withBase: comparisonsWithBase(cells, drawsOf),
    betweenDrafts: comparisonsOfDrafts(cells, compared, drawsOf),
    curves: curvesOf(cells, drawsOf),
  };
  return {
    ...report,
    findings: findingsOf(report),
    ...(systems === undefined ? {} : { systems: systemsOf(systems, report.rows) }),
  };
}

/** Draws by the number of prompts, made once: what is compared is drawn together. */
function sharedDraws(seed: number): DrawsOf {
  const key = foldIn(keyOf(seed), "bootstrap");
  const made = new Map<number, Draws>();
  return (prompts) => {
    const draws = made.get(prompts) ?? drawPrompts(foldIn(key, prompts), prompts);
    made.set(prompts, draws);
    return draws;
  };
}

function rowOf(cell: Cell, drawsOf: DrawsOf): ReportRow {
  const { task, decoding, gamma, verify, draft, samples } = cell;
  const all = [...samples.values()];
  const draws = drawsOf(all.length);
  const c = draft.sizeRatio;
  const figure = (part: (sample: Sample) => number[], of: (sums: readonly number[]) => number) =>
    bootstrap(all.map(part), of, draws);
  const plain = addTallies(all.flatMap((sample) => sample.plain ?? []));
  const tally = addTallies(all.map((sample) => sample.tally));
  return {
    task: task.name,
    outOfDistribution: task.outOfDistribution,
    decoding: decoding.name,
    greedy: decoding.greedy,
    gamma,
    verify,
    name: draft.name,
    kind: draft.kind,
    prompts: all.length,
    metrics: metricsOfTally(tally, { draftSizeRatio: c }),
    tau: tauOf(cell, drawsOf),
    alpha: figure(
      ({ tally }) => [tally.accepted, tally.judged],
      ([accepted, judged]) => ratio(accepted, judged),
    ),
    memoryBoundSpeedUp: figure(
      ({ tally }) => [tally.tokens, tally.passes, tally.drafted],
      ([tokens, passes, drafted]) => ratio(tokens, passes + c * drafted),
    ),
    speedUp: speedUpOf(all, drawsOf),
    plainTokensPerSecond: ratio(plain.tokens, decodingSeconds(plain)),
    equalTexts: all.filter(({ equal }) => equal).length,
    costs: stepCostsOf(tally, plain),
  };
}

function speedUpOf(samples: readonly Sample[], drawsOf: DrawsOf): Figure {
  const times = samples.flatMap(({ tally, plain }) =>
    plain === undefined
      ? []
      : [[tally.tokens, decodingSeconds(tally), plain.tokens, decodingSeconds(plain)]]
  );
  const speedUp = ([tokens, seconds, plain, plainSeconds]: readonly number[]) =>
    ratio(ratio(tokens, seconds), ratio(plain, plainSeconds));
  return bootstrap(times, speedUp, drawsOf(times.length));
}
