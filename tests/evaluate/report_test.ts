/** A report is a function of records: what was put in comes out, with intervals and in pairs. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { keyOf, permutation } from "../../src/core/random.ts";
import {
  type EvaluationRecord,
  type EvaluationReport,
  reportOf,
  resultsInMemory,
  runEvaluation,
} from "../../src/evaluate/mod.ts";
import { type MadeDraft, madeRecords, OUTSIDE } from "./made_records.ts";
import { COLD, HEAD, smallPlan } from "./small_plan.ts";

const of = (name: string, tau: number, more: Partial<MadeDraft> = {}): MadeDraft => ({
  name,
  tau: () => tau,
  ...more,
});

const TASKS = ["chat", "news", OUTSIDE];

function made(options: Parameters<typeof madeRecords>[0]): EvaluationReport {
  return reportOf({ head: HEAD, records: madeRecords(options) });
}

Deno.test("tau, MBSU and the ratio of speeds are those that were put in", () => {
  const draft = of("kld", 2, { sizeRatio: 0.1, speed: () => 1.5 });
  const { rows: [row] } = made({ drafts: [draft], scatter: 0.05 });
  assertAlmostEquals(row.tau.value, 2, 0.03);
  assertAlmostEquals(row.speedUp.value, 1.5, 0.01);
  assertAlmostEquals(row.memoryBoundSpeedUp.value, row.tau.value / (1 + 0.1 * 3), 1e-12);
  assertAlmostEquals(row.memoryBoundSpeedUp.value, row.metrics.memoryBoundSpeedUp, 1e-12);
  assertAlmostEquals(row.alpha.value, row.metrics.acceptance, 1e-12);
  assertEquals([row.prompts, row.equalTexts, row.plainTokensPerSecond], [20, 20, 10]);
  for (const { value, low, high } of [row.tau, row.alpha, row.speedUp]) {
    assert(low < value && value < high && high - low < 0.1);
  }
});

Deno.test("rows of a real evaluation are the metrics of its texts", async () => {
  const results = resultsInMemory(HEAD);
  await runEvaluation(smallPlan(), results, COLD);
  const { rows, plain } = reportOf({ head: HEAD, records: results.records() });
  assertEquals(rows.length, 2 * 2 * 2 * 2);
  assertEquals(plain.map(({ texts }) => texts), [4, 4, 4, 4]);
  for (const row of rows) {
    assertAlmostEquals(row.tau.value, row.metrics.blockEfficiency, 1e-12);
    if (row.greedy) assertEquals(row.equalTexts, row.prompts);
  }
  assert(plain.every(({ metrics }) => metrics.blockEfficiency === 1));
});

Deno.test("tasks in distribution are also reported together, the others are not among them", () => {
  const { rows } = made({ drafts: [of("kld", 2)], tasks: TASKS, prompts: 6 });
  assertEquals(rows.map(({ task, prompts }) => [task, prompts]), [
    ["chat", 6],
    ["news", 6],
    ["code", 6],
    ["in distribution", 12],
  ]);
  assertEquals(rows.map(({ outOfDistribution }) => outOfDistribution), [false, false, true, false]);
});

Deno.test("the order of records changes no value", () => {
  const records = madeRecords({
    drafts: [of("base", 1.5), of("kld", 2)],
    tasks: TASKS,
    decodings: ["T=0", "T=1"],
    prompts: 5,
  });
  const order = permutation(keyOf(3), records.length);
  const mixed = [...order].map((i): EvaluationRecord => records[i]);
  const values = (report: EvaluationReport) =>
    report.rows.map(({ task, name, decoding, tau }) =>
      `${task} ${name} ${decoding} ${tau.value.toFixed(9)}`
    )
      .toSorted();
  const [a, b] = [records, mixed].map((list) => reportOf({ head: HEAD, records: list }));
  assertEquals(values(a), values(b));
});

Deno.test("a finetuned draft is compared with the base on the same prompts, in pairs", () => {
  const drafts = [of("base", 1.5), of("kld", 1.8), of("lookup", 1.2, { kind: "lookup" })];
  const { withBase: [one, ...others], rows } = made({ drafts, scatter: 0.4 });
  assertEquals([one.of, one.with, one.prompts, others.length], ["kld", "base", 20, 0]);
  const [base, kld] = rows.map(({ tau }) => tau);
  assertAlmostEquals(one.tauDifference.value, kld.value - base.value, 1e-12);
  assertAlmostEquals(one.tauRatio.value, kld.value / base.value, 1e-12);
  const width = one.tauDifference.high - one.tauDifference.low;
  assert(width < kld.high - kld.low + base.high - base.low, "what prompts share cancels");
});

Deno.test("only prompts that both drafts decoded are compared", () => {
  const drafts = [of("base", 1.5), of("kld", 2)];
  const records = madeRecords({ drafts, prompts: 10 })
    .filter(({ arm, prompt }) => arm?.draft.name !== "kld" || prompt < 6);
  const { rows, withBase } = reportOf({ head: HEAD, records });
  assertEquals(rows.map(({ prompts }) => prompts), [10, 6]);
  assertEquals(withBase.map(({ prompts }) => prompts), [6]);
});

Deno.test("a draft's time is held against plain decoding of its own visit", () => {
  const drafts = [of("kld", 2)];
  const first = madeRecords({ drafts, prompts: 8 });
  // The machine is half as fast when another draft is measured.
  const later = madeRecords({ drafts: [of("tvd", 2)], prompts: 8 }).map((record) => ({
    ...record,
    visit: 2,
    tally: {
      ...record.tally,
      seconds: { ...record.tally.seconds, target: 2 * record.tally.seconds.target },
    },
  }));
  const { rows, betweenDrafts: [pair] } = reportOf({ head: HEAD, records: [...first, ...later] });
  for (const { speedUp } of rows) assertAlmostEquals(speedUp.value, 1, 0.02);
  assertAlmostEquals(pair.speedRatio.value, 1, 0.03);
  assertEquals(rows.map(({ plainTokensPerSecond }) => plainTokensPerSecond), [10, 5]);
});

Deno.test("drafts named by their steps are points of a curve that begins at the base", () => {
  const drafts = [of("base", 1.5), of("kld@200", 1.9), of("kld@50", 1.7), of("tvd", 1.8)];
  const { curves: [curve, ...others], betweenDrafts } = made({ drafts });
  assertEquals(others, []);
  assertEquals([curve.run, ...curve.points.map(({ steps }) => steps)], ["kld", 0, 50, 200]);
  assertAlmostEquals(
    curve.gain.value,
    curve.points[2].tau.value - curve.points[0].tau.value,
    1e-12,
  );
  assert(curve.gain.low > 0.3 && curve.gain.high < 0.5);
  assertEquals(betweenDrafts.map((pair) => [pair.of, pair.with]), [["tvd", "kld@200"]]);
});

Deno.test("one prompt, or none, gives values without intervals and no claims", () => {
  const { rows, findings } = made({ drafts: [of("base", 1.5), of("kld", 2)], prompts: 1 });
  assertEquals(rows.map(({ tau }) => tau.low), [-Infinity, -Infinity]);
  const lift = findings.find(({ claim }) => claim.startsWith("Finetuning lifts"));
  assertEquals(lift?.verdict, "within noise");
  const nothing = reportOf({ head: HEAD, records: [] });
  assertEquals([nothing.rows, nothing.plain, nothing.curves], [[], [], []]);
  assert(nothing.findings.every(({ verdict }) => verdict === "not measured"));
});
