/** An evaluation measures everything once, in turns, and goes on from wherever it was ended. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import {
  type EvaluationPlan,
  type EvaluationRecord,
  type EvaluationResults,
  resultsInMemory,
  runEvaluation,
} from "../../src/evaluate/mod.ts";
import { COLD, HEAD, smallPlan } from "./small_plan.ts";

/** What a record is of, plain texts by their visit. */
function placeOf({ task, prompt, decoding, arm, visit }: EvaluationRecord): string {
  const side = arm === undefined ? `plain ${visit}` : `${arm.draft.name} ${arm.gamma}`;
  return `${task.name} ${prompt} ${decoding.name} ${side}`;
}

/** A record without what a clock says and when it came. */
function contentOf({ tally, visit: _, ...rest }: EvaluationRecord): string {
  return JSON.stringify({ ...rest, tally: { ...tally, seconds: null } });
}

async function run(
  plan: EvaluationPlan,
  results: EvaluationResults = resultsInMemory(HEAD),
): Promise<readonly EvaluationRecord[]> {
  await runEvaluation(plan, results, COLD);
  return results.records();
}

/** Results that hold some records, and abort a signal after so many more. */
function interrupted(
  records: readonly EvaluationRecord[],
  more: number,
): { readonly results: EvaluationResults; readonly signal: AbortSignal } {
  const abort = new AbortController();
  const held = [...records];
  const results = {
    ...resultsInMemory(HEAD),
    records: () => held,
    append: (record: EvaluationRecord) => {
      held.push(record);
      if (held.length === records.length + more) abort.abort();
      return Promise.resolve();
    },
  };
  return { results, signal: abort.signal };
}

Deno.test("every prompt is decoded plainly and by every arm, once each", async () => {
  const records = await run(smallPlan());
  // Two tasks of 4 prompts, two decodings, two drafts at two lengths beside plain decoding.
  assertEquals(records.length, 2 * 4 * 2 * 5);
  assertEquals(new Set(records.map(placeOf)).size, records.length);
  assert(records.every(({ visit }) => visit === 1));
});

Deno.test("who begins changes with every prompt, so that each has every place", async () => {
  const records = await run(smallPlan({ prompts: 5 }));
  const firsts = Array.from(
    { length: records.length / 5 },
    (_, i) => placeOf(records[5 * i]).split(" ").slice(3).join(" "),
  );
  const counts = new Map(Map.groupBy(firsts, (first) => first).entries());
  assertEquals([...counts.values()].map(({ length }) => length), [4, 4, 4, 4, 4]);
});

Deno.test("everybody warms up before all that counts, with short texts", async () => {
  const told: string[] = [];
  const plan = smallPlan({
    prompts: 1,
    told: (draft, most) => told.push(most === undefined ? draft : `warm ${draft}`),
  });
  await run(plan);
  const first = told.findIndex((name) => !name.startsWith("warm "));
  assertEquals(new Set(told.slice(0, first)), new Set(["warm plain", "warm base", "warm kld"]));
  const counting = told.filter((name) => !name.startsWith("warm "));
  assertEquals(counting.length, 2 * 2 * 5, "what warms up does not count");
  assertEquals(told.slice(-1), counting.slice(-1));
});

Deno.test("greedy texts of all drafts are the plain ones, coins are one per prompt", async () => {
  const records = await run(smallPlan());
  const groups = Map.groupBy(
    records.filter(({ decoding }) => decoding.greedy),
    ({ task, prompt }) => `${task.name} ${prompt}`,
  );
  for (const group of groups.values()) {
    assertEquals(new Set(group.map(({ digest }) => digest)).size, 1);
  }
  const same = [...records.filter(({ arm }) => arm === undefined)].map(contentOf);
  const again = (await run(smallPlan({ drafts: ["other"] })))
    .filter(({ arm }) => arm === undefined).map(contentOf);
  assertEquals(again, same, "what else is measured does not matter");
});

Deno.test("a run that is ended after any text goes on without repeating a draft's text", async () => {
  const plan = smallPlan({ prompts: 2 });
  const whole = (await run(plan)).filter(({ arm }) => arm !== undefined).map(contentOf).toSorted();
  for (let cut = 1; cut < 2 * 2 * 2 * 5; cut++) {
    const { results, signal } = interrupted([], cut);
    await assertRejects(() => runEvaluation(plan, results, { ...COLD, signal }));
    assertEquals(results.records().length, cut);
    const records = await run(plan, interrupted(results.records(), Infinity).results);
    const drafted = records.filter(({ arm }) => arm !== undefined);
    assertEquals(drafted.map(contentOf).toSorted(), whole);
    // Every text of a draft has a plain one of the same visit.
    const plain = new Set(
      records.filter(({ arm }) => arm === undefined).map((record) => placeOf(record)),
    );
    for (const record of drafted) {
      assert(plain.has(placeOf({ ...record, arm: undefined })), placeOf(record));
    }
    assertEquals(plain.size, records.length - drafted.length, "no plain text twice in a visit");
  }
});

Deno.test("a finished evaluation has nothing left; more drafts and prompts add to it", async () => {
  const results = resultsInMemory(HEAD);
  const plan = smallPlan({ drafts: ["base"], prompts: 2 });
  await runEvaluation(plan, results, COLD);
  const first = results.records().length;
  await runEvaluation(plan, results, COLD);
  assertEquals(results.records().length, first);
  const counts: (readonly number[])[] = [];
  const more = smallPlan({ drafts: ["base", "kld"], prompts: 3 });
  await runEvaluation(more, results, { ...COLD, onText: (...count) => counts.push(count) });
  const added = results.records().slice(first);
  assertEquals(counts.at(-1), [60, 60]);
  assertEquals(added.filter(({ arm }) => arm?.draft.name === "base").length, 2 * 2 * 2);
  assertEquals(added.filter(({ arm }) => arm?.draft.name === "kld").length, 2 * 3 * 2 * 2);
  assertEquals(added.filter(({ arm }) => arm === undefined).length, 2 * 3 * 2);
  const later = added.filter(({ prompt }) => prompt < 2);
  assert(later.every(({ visit }) => visit === 2), "beside plain texts of their own time");
});

Deno.test("results of other prompts, or of another draft of the same name, are refused", async () => {
  const results = resultsInMemory(HEAD);
  const plan = smallPlan({ prompts: 1 });
  await runEvaluation(plan, results, COLD);
  const tasks = plan.tasks.map((task) => ({ ...task, prompts: [[4, 4]] }));
  await assertRejects(
    () => runEvaluation({ ...plan, tasks }, results, COLD),
    OutriderError,
    "prompt 1 of the task known",
  );
  const decodings = plan.decodings.map((decoding) => ({
    ...decoding,
    arms: decoding.arms.map((arm) => ({ ...arm, draft: { ...arm.draft, fingerprint: "new" } })),
  }));
  await assertRejects(
    () => runEvaluation({ ...plan, decodings }, results, COLD),
    OutriderError,
    "the draft base that the results are of, found another one",
  );
});
