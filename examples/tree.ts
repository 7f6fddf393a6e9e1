/**
 * Decodes prompts with a drafter's trees of several sizes, beside its chains and plain decoding in one
 * run: tokens per target pass, what steps take, and what a pass may take for trees to pay.
 *
 *     deno task tree --target smollm2 --dtype q8 --draft out/block/block-draft.safetensors
 *
 * @module
 */
import { keyOf, OutriderError } from "@outrider/outrider";
import { type Flag, integer, runCommand, text, toggle } from "@outrider/outrider/cli";
import { temperature, verifyBlock } from "@outrider/outrider/decode";
import { compareDrafts } from "@outrider/outrider/evaluate";
import { deviceFlags, openDevice } from "./common/device.ts";
import { openDraft } from "./common/evaluation_drafts.ts";
import { openTasks, taskFlags } from "./common/evaluation_tasks.ts";
import { loadModel, targetFlags } from "./common/models.ts";
import { treeRow, treeTable, treeVerdict } from "./common/tree_table.ts";
import { treeContest } from "./common/tree_ways.ts";

/** A flag of values between commas. */
function listOf<Value>(
  help: string,
  placeholder: string,
  fallback: string,
  read: (part: string, flag: string) => Value,
): Flag<readonly Value[]> {
  return {
    help,
    placeholder,
    defaultText: fallback,
    read: (flag, given) =>
      (given.at(-1) ?? fallback).split(",").map((part) => read(part.trim(), flag)),
  };
}

function readBudget(part: string, flag: string): number | "auto" {
  if (part === "auto") return part;
  const budget = part === "" ? NaN : Number(part);
  if (Number.isInteger(budget) && budget >= 1 && budget <= 1024) return budget;
  throw new OutriderError(
    `integers from 1 to 1024 or "auto" for ${flag}`,
    `"${part}"`,
    "write such as 8,32,auto",
  );
}

function readHeat(part: string, flag: string): number {
  const heat = part === "" ? NaN : Number(part);
  if (heat === 0 || heat >= 0.01 && heat <= 100) return heat;
  throw new OutriderError(`temperatures for ${flag}`, `"${part}"`, "write such as 0,1");
}

const { tasks } = taskFlags;
const flags = {
  ...targetFlags,
  target: text({ placeholder: "MODEL", default: "embedded", help: "the target" }),
  draft: text({
    placeholder: "DRAFT|auto|self[:LAYERS]",
    default: "auto",
    help: "what drafts: a block drafter or a draft by its path, auto, or the target's first layers",
  }),
  budgets: listOf(
    "most nodes of trees; auto as many as pay, or none",
    "N|auto,...",
    "4,16,64",
    readBudget,
  ),
  gamma: integer({ default: 3, minimum: 1, maximum: 64, help: "tokens of a chain" }),
  depth: integer({
    default: 4,
    minimum: 1,
    maximum: 64,
    help: "most tokens of a path in a draft's tree; a block drafter's has as many as its block",
  }),
  width: integer({ default: 4, minimum: 1, maximum: 64, help: "paths that a draft reads on" }),
  temperatures: listOf("how random tokens are; 0 is greedy", "T,...", "0,1", readHeat),
  tasks,
  count: integer({ default: 8, minimum: 1, maximum: 20_000, help: "most prompts of a task" }),
  maxTokens: integer({ default: 64, minimum: 1, help: "most tokens of an answer" }),
  seed: integer({ default: 1, help: "decides prompts and what is drawn" }),
  ...deviceFlags,
  json: toggle({ help: "print one JSON object" }),
};

await runCommand({
  name: "deno task tree",
  summary:
    "Compares a drafter's trees with its chains and with plain decoding. Times are in plain " +
    "steps;\ndrawn trees, for sampled text, draw the last child of every node.",
  flags,
  examples: [
    "deno task tree --target embedded --budgets 2,8,auto",
    "deno task tree --target smollm2 --dtype q8 --draft out/block/block-draft.safetensors " +
    "--tasks tasks/open_ended.jsonl",
  ],
}, async (options, context) => {
  const { device } = await openDevice(options);
  const target = await loadModel(device, options.target, options, context);
  const { dtype, seed, maxTokens } = options;
  const spec = { name: "draft", model: options.draft };
  const { loaded } = await openDraft(spec, { device, dtype, target, context });
  if (loaded.kind !== "model" && loaded.kind !== "block") {
    throw new OutriderError("a draft model or a block drafter", options.draft, "name one, or self");
  }
  const asked = await openTasks(target.file, { ...options, outOfDistribution: "" });
  const prompts = asked.flatMap((task) => task.prompts);
  const results = [];
  for (const heat of options.temperatures) {
    const warp = temperature(heat);
    const { model, ways } = await treeContest(target, loaded, { ...options, warp });
    const bar = context.progress({ label: `T=${heat}`, unit: "prompts", total: prompts.length });
    const rows = await compareDrafts(model, ways, prompts, {
      gamma: options.gamma,
      verify: verifyBlock,
      warp,
      maxTokens,
      stopTokens: target.file.tokenizer.endOfTurn,
      key: keyOf(seed),
      signal: context.signal,
      onPrompt: (done) => bar.update(done),
    });
    bar.finish();
    const found = ways.map((way, i) => treeRow(way, rows[i]));
    context.print(`T=${heat}\n${treeTable(found)}${treeVerdict(found)}\n`);
    results.push({ temperature: heat, ways: found, verdict: treeVerdict(found).trim() });
  }
  loaded.release();
  target.release();
  device.close();
  return { target: options.target, draft: options.draft, prompts: prompts.length, results };
});
