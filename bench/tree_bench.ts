/**
 * What trees of a drafter are worth on SmolLM2, in three parts. `tau`: tokens per target pass of chains
 * and of trees of several sizes, greedy and at temperature 1, and how often the target's token is among
 * the likeliest of each place, which bounds any tree. `passes`: what a pass over rows with parents takes
 * beside one over a chain. `decoding`: tokens per second beside plain decoding.
 *
 * Tokens per pass do not depend on the machine: texts are the same however they are decoded, so they
 * are written once with the drafter asked at every place, and trees of all sizes are set against them.
 *
 *     deno run -A bench/tree_bench.ts --draft block.safetensors --tasks open_ended.jsonl --only tau
 *
 * @module
 */
import { keyOf, OutriderError } from "@outrider/outrider";
import { choice, formatTable, integer, optionalText, text } from "@outrider/outrider/cli";
import { openPrompts } from "@outrider/outrider/data";
import {
  draftBlockTree,
  draftDynamicTree,
  draftModel,
  llamaModel,
  temperature,
  type TokenTree,
  verifyBlock,
} from "@outrider/outrider/decode";
import { compareDrafts } from "@outrider/outrider/evaluate";
import { encodeChat, WEIGHT_TYPES } from "@outrider/outrider/io";
import {
  loadAnyDraft,
  type LoadedBlockDraft,
  type LoadedDraftModel,
} from "../examples/common/drafts.ts";
import { type LoadedModel, loadModel } from "../examples/common/models.ts";
import { treeRow, treeTable, treeVerdict } from "../examples/common/tree_table.ts";
import { treeContest } from "../examples/common/tree_ways.ts";
import { deviceWith, smolLm2 } from "./harness/models.ts";
import { type Bench, benchFlags, runBench } from "./harness/program.ts";
import { type Findings, joinFindings } from "./harness/report.ts";
import { ratioOf, type Series, seriesOf } from "./harness/statistics.ts";
import { economicsTable, type Yield } from "./harness/tree_economics.ts";
import { passFindings, type PassSettings } from "./harness/tree_passes.ts";
import {
  type Judging,
  type Moment,
  recallOf,
  type RecordedText,
  recordText,
  tauOf,
  textKey,
} from "./harness/tree_replay.ts";

interface Settings extends PassSettings {
  readonly prompts: number;
  readonly maxPrompt: number;
  readonly maxTokens: number;
  readonly budgets: readonly number[];
  /** Most tokens of a path in a draft model's tree. */
  readonly depth: number;
  /** Paths of each level that a draft model reads on. */
  readonly width: number;
  /** Prompts and tokens of texts that are timed. */
  readonly timedPrompts: number;
  readonly timedTokens: number;
}

/** A target and a drafter for it. */
interface Pair {
  readonly target: LoadedModel;
  readonly draft: LoadedDraftModel | LoadedBlockDraft;
}

/** More tokens per pass than the drafter's own chain, at a budget of 16 to 64. */
const OVER_CHAIN = { floor: 1.3 };
const HEATS = [0, 1];

async function promptsOf(
  tasks: string | undefined,
  { file: { tokenizer } }: LoadedModel,
  { prompts, maxPrompt }: Pick<Settings, "prompts" | "maxPrompt">,
): Promise<readonly (readonly number[])[]> {
  if (tasks === undefined) {
    throw new OutriderError("--tasks FILE", "none", "name a .jsonl file of prompts");
  }
  const all = await openPrompts(tasks, { seed: 1, count: Number.MAX_SAFE_INTEGER });
  return all.map((messages) => encodeChat(tokenizer, messages))
    .filter(({ length }) => length <= maxPrompt).slice(0, prompts);
}

/** The target's texts at a temperature, with what the drafter says at every place. */
async function recorded(
  bench: Bench,
  { target, draft }: Pair,
  prompts: readonly (readonly number[])[],
  heat: number,
  { maxTokens, budgets, depth, width }: Settings,
): Promise<RecordedText[]> {
  const common = {
    heat,
    most: Math.max(...budgets),
    maxTokens,
    endOfTurn: target.file.tokenizer.endOfTurn,
  };
  const texts: RecordedText[] = [];
  for (const [i, prompt] of prompts.entries()) {
    bench.signal.throwIfAborted();
    if (draft.kind === "block") {
      const { parts, config: { taps, block } } = draft;
      const model = llamaModel({ ...target.parts, taps });
      const sides = { model, tree: draftBlockTree(parts), chain: draft.draft, depth: block };
      const recorder = { ...common, ...sides, places: "independent" } as const;
      texts.push(await recordText(recorder, prompt, textKey(i)));
    } else {
      const model = llamaModel(target.parts);
      const { vocabulary } = draft;
      const tree = draftDynamicTree(llamaModel(draft.parts), { depth, width, vocabulary });
      const sides = { model, tree, chain: draftModel(draft.model, { vocabulary }), depth };
      const recorder = { ...common, ...sides, places: "dependent" } as const;
      texts.push(await recordText(recorder, prompt, textKey(i)));
    }
    bench.log(`T=${heat}: ${i + 1} of ${prompts.length} texts\n`);
  }
  return texts;
}

/** Tau of one way, over all texts. */
interface Tau extends Yield {
  readonly series: Series;
}

function tausOf(texts: readonly RecordedText[], heat: number, settings: Settings): Tau[] {
  const way = (
    name: string,
    nodes: number,
    treeAt: (moment: Moment) => TokenTree,
    judging: Judging,
  ): Tau => {
    const tau = tauOf(texts, treeAt, judging);
    const series = seriesOf(`${name}, T=${heat}`, "tokens a pass", [tau]);
    return { name, nodes, tau, series };
  };
  const isBlock = texts.some((moments) => moments.some(({ guesses }) => guesses.length > 0));
  const length = Math.max(1, ...texts.flatMap((moments) => moments.map((m) => m.chain.length)));
  const chain = way(
    "chain",
    length,
    (moment) => moment.chain,
    heat > 0 && isBlock ? "drawn" : "match",
  );
  const first = (budget: number) => ({ tree }: Moment) => tree.slice(0, budget);
  const trees = settings.budgets.map((budget) =>
    way(`tree ${budget}`, budget, first(budget), "match")
  );
  const drawn = heat > 0 && isBlock
    ? settings.budgets.map((budget) => way(`drawn tree ${budget}`, budget, first(budget), "drawn"))
    : [];
  return [chain, ...trees, ...drawn];
}

function recallTable(texts: readonly RecordedText[], heat: number, settings: Settings): string {
  const places = Math.max(0, ...texts.flatMap((moments) => moments.map((m) => m.guesses.length)));
  const rows = [1, ...settings.budgets].map((count) => [
    count,
    ...Array.from({ length: places }, (_, place) => recallOf(texts, place, count).toFixed(3)),
  ]);
  const header = Array.from({ length: places }, (_, place) => `place ${place}`);
  return places === 0 ? "" : formatTable([`T=${heat}, among the likeliest`, ...header], rows);
}

async function tauFindings(
  bench: Bench,
  pair: Pair,
  prompts: readonly (readonly number[])[],
  settings: Settings,
): Promise<Findings> {
  if (!bench.wants("tau")) return joinFindings([]);
  const parts: Findings[] = [];
  for (const heat of HEATS) {
    const texts = await recorded(bench, pair, prompts, heat, settings);
    const taus = tausOf(texts, heat, settings);
    const [chain, ...trees] = taus;
    const tokens = texts.reduce((sum, { length }) => sum + length, 0);
    parts.push({
      series: taus.map(({ series }) => series),
      ratios: trees.map(({ name, series }) =>
        ratioOf(`${name} / ${chain.name}, T=${heat}`, series, chain.series, OVER_CHAIN)
      ),
      remarks: [
        recallTable(texts, heat, settings),
        economicsTable(heat, taus),
        `T=${heat}: ${texts.length} texts of ${tokens} tokens in all`,
      ],
    });
  }
  return joinFindings(parts);
}

async function decodingFindings(
  bench: Bench,
  { target, draft }: Pair,
  prompts: readonly (readonly number[])[],
  settings: Settings,
): Promise<Findings> {
  if (!bench.wants("decoding")) return joinFindings([]);
  const remarks: string[] = [];
  for (const heat of HEATS) {
    const warp = temperature(heat);
    const budgets = [...settings.budgets.filter((_, i) => i % 2 === 0), "auto" as const];
    const { depth, width, timedTokens: maxTokens } = settings;
    const asked = { budgets, gamma: 3, depth, width, warp };
    const { model, ways } = await treeContest(target, draft, asked);
    const rows = await compareDrafts(model, ways, prompts.slice(0, settings.timedPrompts), {
      gamma: 3,
      verify: verifyBlock,
      warp,
      maxTokens,
      stopTokens: target.file.tokenizer.endOfTurn,
      key: keyOf(1),
      signal: bench.signal,
    });
    const found = ways.map((way, i) => treeRow(way, rows[i]));
    remarks.push(
      `decoding, T=${heat}, times in plain steps\n${treeTable(found)}${treeVerdict(found)}`,
    );
  }
  return { series: [], ratios: [], remarks };
}

await runBench(import.meta, {
  name: "tree_bench",
  summary: "Trees of a drafter beside its chains: tokens a pass, passes, tokens per second.",
  flags: {
    ...benchFlags,
    tasks: optionalText({ placeholder: "FILE", help: "a .jsonl file of prompts" }),
    draft: text({ placeholder: "DRAFT|auto", default: "auto", help: "a drafter of SmolLM2" }),
    dtype: choice({ of: WEIGHT_TYPES, default: "q8", help: "weights of the target" }),
    threads: integer({ default: 2, minimum: 1, maximum: 64, help: "threads of both models" }),
    width: integer({ default: 4, minimum: 1, maximum: 64, help: "paths that a draft reads on" }),
  },
  settings: {
    prompts: 8,
    maxPrompt: 256,
    maxTokens: 64,
    budgets: [4, 8, 16, 32, 64],
    depth: 4,
    rows: [8, 16, 32, 64],
    contextTokens: 200,
    timedPrompts: 2,
    timedTokens: 32,
    rounds: 5,
    warmUp: 1,
  },
  quick: {
    prompts: 1,
    maxPrompt: 128,
    maxTokens: 8,
    budgets: [2, 4, 8],
    depth: 2,
    rows: [4],
    contextTokens: 20,
    timedPrompts: 1,
    timedTokens: 6,
    rounds: 1,
    warmUp: 0,
  },
}, async (bench, settings: Omit<Settings, "width">, options): Promise<Findings> => {
  const path = await bench.attempt("SmolLM2", smolLm2);
  if (path === undefined) return joinFindings([]);
  const device = deviceWith(options.threads);
  const context = { progress: () => ({ update: () => {}, finish: () => {} }) };
  const target = await loadModel(device, path, { dtype: options.dtype }, context);
  try {
    const sized = { ...settings, width: options.width };
    const passes = await passFindings(bench, target, sized);
    if (!bench.wants("tau") && !bench.wants("decoding")) return passes;
    const prompts = await bench.attempt(
      "prompts",
      () => promptsOf(options.tasks, target, settings),
    );
    if (prompts === undefined) return passes;
    const draft = await loadAnyDraft(device, options.draft, "f32", target, context);
    if (draft.kind === "ctc") {
      throw new OutriderError("a draft model or a block drafter", "a CTC drafter", "name another");
    }
    const pair = { target, draft };
    return joinFindings([
      await tauFindings(bench, pair, prompts, sized),
      passes,
      await decodingFindings(bench, pair, prompts, sized),
    ]);
  } finally {
    target.release();
    device.close();
  }
});
