/**
 * Running an evaluation: every prompt is decoded plainly and by every arm, one after another.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { foldIn, type Key } from "../core/random.ts";
import type { TokenId } from "../decode/language_model.ts";
import type { Generation } from "../decode/stream.ts";
import {
  armName,
  type ArmSetting,
  type DecodingIdentity,
  digestOf,
  type DraftIdentity,
  type EvaluationRecord,
  type TaskIdentity,
} from "./record.ts";
import type { EvaluationResults } from "./results.ts";
import { decodingSeconds, tallyOf } from "./tally.ts";

/** Writes a text. */
export type Writer = (
  prompt: readonly TokenId[],
  options: {
    /** The coins. */
    readonly key: Key;
    /** Ends the text. */
    readonly signal?: AbortSignal;
    /** Most tokens, where fewer than usual are wanted: to warm up. */
    readonly most?: number;
  },
) => Promise<Generation>;

/** A draft with a length and a rule. */
export interface EvaluationArm extends ArmSetting {
  /** What runs ahead. */
  readonly draft: DraftIdentity;
  /** Decodes with it. */
  readonly write: Writer;
}

/** A way to choose tokens, and all that decodes so. */
export interface EvaluationDecoding extends DecodingIdentity {
  /** Decodes without a draft. */
  readonly plain: Writer;
  /** Decode with one. */
  readonly arms: readonly EvaluationArm[];
}

/** Prompts of a kind. */
export interface EvaluationTask extends TaskIdentity {
  /** Token ids of the prompts, in an order that more of them do not change. */
  readonly prompts: readonly (readonly TokenId[])[];
}

/** All that is to be measured. */
export interface EvaluationPlan {
  /** The prompts. */
  readonly tasks: readonly EvaluationTask[];
  /** The ways to decode them. */
  readonly decodings: readonly EvaluationDecoding[];
  /** Decides the coins: a prompt has its own, the same for all that decode it. */
  readonly key: Key;
}

/** What one prompt of one task still lacks in one decoding. */
interface Visit {
  readonly task: EvaluationTask;
  readonly prompt: number;
  readonly decoding: EvaluationDecoding;
  readonly number: number;
  /** In the order of the plan; `undefined` is plain decoding. */
  readonly missing: readonly (EvaluationArm | undefined)[];
}

/**
 * What every writer writes before the first text that counts: engines compile fast models, of which
 * a few tokens are soon written, for a while.
 */
const WARM_UP = { tokens: 16, seconds: 0.2 };
/** What a text counts as at least, so that warm-up ends whatever the clock says. */
const LEAST_SECONDS = 0.001;

/** How an evaluation is run. */
export interface EvaluationRun {
  /** Ends the evaluation; texts that are complete stay. */
  readonly signal?: AbortSignal;
  /** Told how many texts there are, and how many the plan has. */
  readonly onText?: (done: number, total: number) => void;
  /** Seconds that every writer decodes before the first text that counts (default .2). */
  readonly warmUpSeconds?: number;
}

/**
 * Measures what of a plan the results lack, and appends it text by text.
 *
 * The texts of a prompt follow one another, plain decoding among them, so that a slow moment of the
 * machine falls on all; who begins changes with every prompt. Drafts that come later, or after a
 * killed run, are measured beside plain texts of their own time.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import * as decode from "@outrider/outrider/decode";
 * import { resultsInMemory, runEvaluation, type Writer } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = (text: readonly number[]) => [0, 1, 2].map((id) => id === text.length % 3 ? 9 : 0);
 * const target = decode.functionModel({ vocabulary: 3, contextLength: 16, logits });
 * const warp = decode.temperature(0);
 * const rules = { target, warp, verify: decode.verifyToken, gamma: 3 };
 * const ahead = decode.speculative({ ...rules, draft: decode.draftModel(target) });
 * const plain: Writer = (prompt, options) =>
 *   decode.generate(decode.autoregressive({ target, warp }), prompt, options);
 * const write: Writer = (prompt, options) => decode.generate(ahead, prompt, options);
 * const draft = { name: "itself", kind: "model", fingerprint: "", sizeRatio: 1 } as const;
 * const arms = [{ draft, gamma: 3, verify: "token", write }];
 * const tasks = [{ name: "counting", outOfDistribution: false, prompts: [[0], [0, 1]] }];
 * const decodings = [{ name: "T=0", greedy: true, plain, arms }];
 * const head = { target: "t", tokenizer: "", dtype: "f32", cache: "f32", maxTokens: 16, seed: 1 };
 * const results = resultsInMemory(head);
 * await runEvaluation({ tasks, decodings, key: keyOf(1) }, results);
 * assertEquals(results.records().map(({ tally }) => tally.passes), [16, 4, 4, 15]);
 * ```
 *
 * @throws OutriderError where the results are of other prompts or other drafts of the same names
 */
export async function runEvaluation(
  plan: EvaluationPlan,
  results: EvaluationResults,
  run: EvaluationRun = {},
): Promise<void> {
  const { signal, onText } = run;
  checkPrompts(plan, results.records());
  checkDrafts(plan, results.records());
  const visits = visitsOf(plan, results.records());
  const total = plan.tasks.reduce((sum, { prompts }) => sum + prompts.length, 0) *
    plan.decodings.reduce((sum, { arms }) => sum + arms.length + 1, 0);
  let done = total - visits.reduce((sum, { missing }) => sum + missing.length, 0);
  const warm = new Set<EvaluationDecoding>();
  for (const visit of visits) {
    if (!warm.has(visit.decoding)) await warmUp(visit, plan.key, run);
    warm.add(visit.decoding);
    for (const arm of rotated(visit.missing, visit.prompt)) {
      signal?.throwIfAborted();
      await results.append(await measured(visit, arm, plan.key, signal));
      onText?.(++done, total);
    }
  }
}

async function measured(
  { task, prompt, decoding, number }: Visit,
  arm: EvaluationArm | undefined,
  key: Key,
  signal: AbortSignal | undefined,
): Promise<EvaluationRecord> {
  const tokens = task.prompts[prompt];
  const own = foldIn(foldIn(key, task.name), prompt);
  const write = arm?.write ?? decoding.plain;
  const text = await write(tokens, { key: own, signal });
  return {
    task: { name: task.name, outOfDistribution: task.outOfDistribution },
    prompt,
    promptDigest: digestOf(tokens),
    decoding: { name: decoding.name, greedy: decoding.greedy },
    ...(arm === undefined
      ? {}
      : { arm: { draft: arm.draft, gamma: arm.gamma, verify: arm.verify } }),
    visit: number,
    digest: digestOf(text.tokens),
    tally: tallyOf(text.reports),
  };
}

async function warmUp(
  { task, prompt, decoding, missing }: Visit,
  key: Key,
  { signal, warmUpSeconds = WARM_UP.seconds }: EvaluationRun,
): Promise<void> {
  for (const arm of missing) {
    const write = arm?.write ?? decoding.plain;
    let seconds = 0;
    do {
      signal?.throwIfAborted();
      const options = { key, signal, most: WARM_UP.tokens };
      const { reports } = await write(task.prompts[prompt], options);
      seconds += Math.max(LEAST_SECONDS, decodingSeconds(tallyOf(reports)));
    } while (seconds < warmUpSeconds);
  }
}

/** All that is missing, prompts outermost: a run that is cut short has some of everything. */
function visitsOf(plan: EvaluationPlan, records: readonly EvaluationRecord[]): Visit[] {
  const byPlace = Map.groupBy(
    records,
    ({ task, prompt, decoding }) => placeOf(task.name, prompt, decoding.name),
  );
  const most = Math.max(0, ...plan.tasks.map(({ prompts }) => prompts.length));
  const visits: Visit[] = [];
  for (let prompt = 0; prompt < most; prompt++) {
    for (const task of plan.tasks.filter(({ prompts }) => prompt < prompts.length)) {
      for (const decoding of plan.decodings) {
        const there = byPlace.get(placeOf(task.name, prompt, decoding.name)) ?? [];
        const visit = visitOf(decoding, there);
        if (visit.missing.length > 0) visits.push({ task, prompt, decoding, ...visit });
      }
    }
  }
  return visits;
}

/** A visit that was cut short before its plain text goes on; otherwise a new one begins. */
function visitOf(
  decoding: EvaluationDecoding,
  there: readonly EvaluationRecord[],
): Pick<Visit, "number" | "missing"> {
  const names = new Set(there.map(({ arm }) => armName(arm)));
  const arms = decoding.arms.filter((arm) => !names.has(armName(arm)));
  const last = there.reduce((most, { visit }) => Math.max(most, visit), 0);
  const isOpen = last > 0 && !there.some(({ arm, visit }) => arm === undefined && visit === last);
  if (isOpen) return { number: last, missing: [undefined, ...arms] };
  if (arms.length > 0) return { number: last + 1, missing: [undefined, ...arms] };
  return { number: last, missing: last > 0 ? [] : [undefined] };
}

function placeOf(task: string, prompt: number, decoding: string): string {
  return JSON.stringify([task, prompt, decoding]);
}

function rotated<T>(list: readonly T[], by: number): T[] {
  const start = by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}

function checkPrompts(plan: EvaluationPlan, records: readonly EvaluationRecord[]): void {
  const prompts = new Map(plan.tasks.map((task) => [task.name, task.prompts]));
  const other = records.find(({ task, prompt, promptDigest }) => {
    const tokens = prompts.get(task.name)?.[prompt];
    return tokens !== undefined && digestOf(tokens) !== promptDigest;
  });
  if (other === undefined) return;
  throw new OutriderError(
    `the results' prompt ${other.prompt + 1} of the task ${other.task.name}`,
    "another prompt",
    "run with the tasks of the first run, or name another folder by --out",
  );
}

function checkDrafts(plan: EvaluationPlan, records: readonly EvaluationRecord[]): void {
  const arms = plan.decodings.flatMap(({ arms }) => arms);
  const prints = new Map(arms.map(({ draft }) => [draft.name, draft.fingerprint]));
  const other = records.find(({ arm }) => {
    const print = arm && prints.get(arm.draft.name);
    return print !== undefined && print !== arm?.draft.fingerprint;
  });
  if (other === undefined) return;
  throw new OutriderError(
    `the draft ${other.arm?.draft.name} that the results are of`,
    "another one of this name",
    "give it a new name, or name another folder by --out",
  );
}
