/**
 * Speculative decoding against plain decoding of the same model, greedy, in turns at every prompt:
 * SmolLM2 with prompt lookup, and the embedded model with prompt lookup and, where one is named, a
 * draft. Plain decoding against itself shows how far equal sides lie apart on this machine.
 *
 *     deno bench -A bench/speculation_bench.ts
 *     deno run -A bench/speculation_bench.ts --targets smollm2 --dtype q8 --only copying
 *     deno run -A bench/speculation_bench.ts --draft out/finetune/draft.gguf --json
 *
 * @module
 */
import { choice, optionalText, text } from "@outrider/outrider/cli";
import { heldOutPrompts } from "@outrider/outrider/data";
import {
  automaticLength,
  autoregressive,
  type Decoder,
  type Draft,
  type DraftLength,
  draftModel,
  draftPromptLookup,
  fixedLength,
  limit,
  measureCosts,
  speculative,
  temperature,
  untilToken,
  verifyBlock,
} from "@outrider/outrider/decode";
import { encodeChat, resolveModel, WEIGHT_TYPES, type WeightType } from "@outrider/outrider/io";
import { timedDecode } from "./harness/decoding.ts";
import { type OpenDraft, openDraftOn } from "./harness/drafts.ts";
import { type OpenModel, openOn } from "./harness/models.ts";
import { type Bench, benchFlags, runBench } from "./harness/program.ts";
import { type Task, TASKS } from "./harness/prompts.ts";
import { type Findings, joinFindings } from "./harness/report.ts";
import { ratioOf } from "./harness/statistics.ts";
import { type Amount, type PartedSide, runTurns } from "./harness/turns.ts";

interface Settings {
  readonly threads: readonly number[];
  readonly prompts: number;
  /** Prompts for the embedded model, which is fast and says little. */
  readonly ownPrompts: number;
  readonly maxTokens: number;
  readonly gamma: number;
  readonly rounds: number;
  readonly warmUp: number;
}

/** A way to decode, and the tokens that it wrote last, by prompt. */
interface Way {
  readonly side: PartedSide;
  readonly written: () => readonly (readonly number[])[];
}

/** Choosing the length by itself must never lose more than this. */
const AUTOMATIC = { floor: 0.97 };
const GREEDY = temperature(0);

/** Tokens per second over all prompts of a task, their passes apart. */
function wayOf<State>(
  { file }: OpenModel,
  decoder: Decoder<State>,
  prompts: readonly string[],
  maxTokens: number,
  name: string,
): Way {
  const { tokenizer } = file;
  const ended = limit(untilToken(decoder, tokenizer.endOfTurn), maxTokens);
  const encoded = prompts.map((content) => encodeChat(tokenizer, [{ role: "user", content }]));
  const written: (readonly number[])[] = [];
  const measure = async (part: number): Promise<Amount> => {
    const { tokens, seconds } = await timedDecode(ended, encoded[part], maxTokens);
    written[part] = tokens;
    return { amount: tokens.length, seconds };
  };
  return { side: { name, unit: "tokens/s", measure }, written: () => written };
}

/** What all ways of one comparison share. */
interface Comparison {
  readonly opened: OpenModel;
  readonly task: Task;
  readonly settings: Settings;
  readonly label: string;
}

function speculativeWay<DraftState, Length>(
  { opened, task, settings, label }: Comparison,
  draft: Draft<DraftState>,
  gamma: DraftLength<Length>,
  name: string,
): Way {
  const target = opened.model;
  const decoder = speculative({ target, draft, verify: verifyBlock, warp: GREEDY, gamma });
  const prompts = task.prompts;
  return wayOf(opened, decoder, prompts, settings.maxTokens, `${name}, ${label}`);
}

async function waysOf(comparison: Comparison, draft: OpenDraft | undefined): Promise<Way[]> {
  const { opened, task, settings, label } = comparison;
  const target = opened.model;
  const plain = autoregressive({ target, warp: GREEDY });
  const prompts = task.prompts;
  const lookup = draftPromptLookup();
  const fixed = fixedLength(settings.gamma);
  const name = (kind: string) => `${kind}, ${settings.gamma} tokens`;
  const ways = [
    wayOf(opened, plain, prompts, settings.maxTokens, `plain, ${label}`),
    wayOf(opened, plain, prompts, settings.maxTokens, `plain again, ${label}`),
    speculativeWay(comparison, lookup, fixed, name("lookup")),
    speculativeWay(comparison, lookup, automaticLength(await measureCosts(target)), "lookup, auto"),
  ];
  if (draft === undefined) return ways;
  const { vocabulary } = draft;
  const model = draftModel(draft.model, { vocabulary });
  const costs = await measureCosts(target, draft.model, { vocabulary });
  return [
    ...ways,
    speculativeWay(comparison, model, fixed, name("draft")),
    speculativeWay(comparison, model, automaticLength(costs), "draft, auto"),
  ];
}

async function compare(
  bench: Bench,
  comparison: Comparison,
  draft: OpenDraft | undefined,
): Promise<Findings> {
  const { settings, label } = comparison;
  const ways = await waysOf(comparison, draft);
  const sides = ways.map(({ side }) => side);
  const options = bench.roundOptions(label, settings);
  const series = await runTurns(sides, comparison.task.prompts.length, options);
  const [plain, ...others] = series;
  const ratios = others.map((one) =>
    ratioOf(`${one.name} / plain`, one, plain, one.name.includes("auto") ? AUTOMATIC : {})
  );
  const expected = JSON.stringify(ways[0].written());
  const unequal = ways.filter(({ written }) => JSON.stringify(written()) !== expected);
  const remarks = unequal.length === 0
    ? [`all ways wrote the same tokens, ${label}`]
    : unequal.map(({ side }) => `NOT the plain tokens: ${side.name}`);
  return { series, ratios, remarks };
}

/** A target by name, with its tasks and the draft that may run ahead of it. */
interface Contest {
  readonly target: string;
  readonly dtype: WeightType;
  readonly tasks: readonly Task[];
  readonly draft?: string;
  readonly draftDtype: WeightType;
}

async function contest(
  bench: Bench,
  { target, dtype, tasks, draft, draftDtype }: Contest,
  settings: Settings,
): Promise<Findings> {
  if (!tasks.some(({ name }) => bench.wants(name))) return joinFindings([]);
  const path = await bench.attempt(target, () => resolveModel(target));
  const found: Findings[] = [];
  for (const threads of path === undefined ? [] : settings.threads) {
    const label = `${target.slice(target.lastIndexOf("/") + 1)} ${dtype}, ${threads} threads`;
    const opened = await bench.attempt(label, () => openOn(threads, path ?? "", dtype));
    if (opened === undefined) continue;
    const ahead = draft === undefined
      ? undefined
      : await bench.attempt(`${draft} ahead of ${target}`, () =>
        openDraftOn(opened, draft, draftDtype));
    for (const task of tasks.filter(({ name }) => bench.wants(name))) {
      const comparison = { opened, task, settings, label: `${task.name}, ${label}` };
      found.push(await compare(bench, comparison, ahead));
    }
    ahead?.close();
    opened.close();
  }
  return joinFindings(found);
}

/** Prompts of the embedded model's own language, which its training did not show. */
function ownTasks(count: number): Task[] {
  return [{ name: "held out", prompts: heldOutPrompts(1, count).map(({ prompt }) => prompt) }];
}

await runBench(import.meta, {
  name: "speculation_bench",
  summary: "Speculative decoding against plain decoding of the same model.",
  flags: {
    ...benchFlags,
    targets: text({ default: "embedded,smollm2", help: "names or paths, separated by commas" }),
    dtype: choice({ of: WEIGHT_TYPES, default: "keep", help: "weights of a target from a file" }),
    draft: optionalText({ placeholder: "DRAFT|auto", help: "a draft of one of them" }),
    draftDtype: choice({ of: WEIGHT_TYPES, default: "f32", help: "weights of the draft" }),
  },
  settings: {
    threads: [2],
    prompts: 2,
    ownPrompts: 128,
    maxTokens: 96,
    gamma: 4,
    rounds: 9,
    warmUp: 1,
  },
  quick: { threads: [1], prompts: 1, ownPrompts: 4, maxTokens: 12, gamma: 3, rounds: 2, warmUp: 1 },
}, async (bench, settings: Settings, { targets, dtype, draft, draftDtype }) => {
  const found: Findings[] = [];
  for (const target of targets.split(",")) {
    const { prompts, ownPrompts } = settings;
    const asked = TASKS.map((task) => ({ ...task, prompts: task.prompts.slice(0, prompts) }));
    const kind = target === "embedded"
      ? { dtype: "f32", tasks: ownTasks(ownPrompts) } as const
      : { dtype, tasks: asked };
    found.push(await contest(bench, { target, draft, draftDtype, ...kind }, settings));
  }
  return joinFindings(found);
});
