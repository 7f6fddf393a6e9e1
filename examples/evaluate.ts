/**
 * Compares drafts on the same prompts: tau, acceptance, MBSU, tokens per second, equal texts.
 *
 *     deno task evaluate --target embedded --draft out/pretrain/draft.gguf \
 *       --draft out/finetune/draft.gguf --prompts language --count 20
 *
 * @module
 */
import { keyOf, OutriderError } from "@outrider/outrider";
import { integer, optionalText, runCommand, text, texts, toggle } from "@outrider/outrider/cli";
import { heldOutPrompts, openPrompts } from "@outrider/outrider/data";
import { draftModel, draftPromptLookup, verifyBlock, verifyToken } from "@outrider/outrider/decode";
import { compareDrafts, type Contestant, contestant } from "@outrider/outrider/evaluate";
import { encodeChat, writeTextAtomically } from "@outrider/outrider/io";
import { contestTable } from "./common/contest_table.ts";
import { decodingFlags, loadDraft, warpOf } from "./common/decoding.ts";
import { deviceFlags, openDevice } from "./common/device.ts";
import { cacheFlags, type LoadedModel, loadModel, targetFlags } from "./common/models.ts";
import { makeFolder } from "./common/recipe.ts";

const { verify, temperature, topK, topP, minP, repetitionPenalty, seed } = decodingFlags;
const flags = {
  ...targetFlags,
  ...cacheFlags,
  draft: texts({ placeholder: "DRAFT|auto|lookup", help: "a draft to compare; at least one" }),
  prompts: text({
    placeholder: "NAME|FILES",
    default: "language",
    help: "language (prompts that training never showed), or .jsonl files with instructions",
  }),
  count: integer({ default: 20, minimum: 1, maximum: 100_000, help: "most prompts" }),
  gamma: integer({ default: 3, minimum: 1, maximum: 64, help: "tokens to draft per step" }),
  maxTokens: integer({ default: 128, minimum: 1, help: "most tokens of an answer" }),
  verify,
  temperature,
  topK,
  topP,
  minP,
  repetitionPenalty,
  seed,
  out: optionalText({ placeholder: "DIR", help: "a folder for report.json and report.md" }),
  ...deviceFlags,
  json: toggle({ help: "print one JSON object" }),
};

/** Prompts that no draft was trained on, as token ids. */
async function promptsOf(
  { file }: LoadedModel,
  { prompts, count, seed }: {
    readonly prompts: string;
    readonly count: number;
    readonly seed: number;
  },
): Promise<number[][]> {
  const conversations = prompts === "language"
    ? heldOutPrompts(seed, count).map(({ prompt }) => [{ role: "user", content: prompt } as const])
    : await openPrompts(prompts, { seed, count });
  const encoded = conversations.map((messages) => encodeChat(file.tokenizer, messages));
  const fitting = encoded.filter(({ length }) => length < file.config.contextLength);
  if (fitting.length > 0) return fitting;
  throw new OutriderError(
    `prompts of fewer than ${file.config.contextLength} tokens`,
    `${encoded.length} longer ones`,
    "name other prompts",
  );
}

await runCommand({
  name: "deno task evaluate",
  summary: "Compares drafts on the same prompts, with plain decoding in the same run.",
  flags,
  examples: [
    "deno task evaluate --target embedded --draft out/pretrain/draft.gguf " +
    "--draft out/finetune/draft.gguf",
  ],
}, async (options, context) => {
  if (options.draft.length === 0 || options.draft.includes("none")) {
    throw new OutriderError("one or more --draft MODEL", "none", "name drafts, or --draft lookup");
  }
  const { device } = await openDevice(options);
  if (options.out !== undefined) await makeFolder(options.out);
  const target = await loadModel(device, options.target, options, context);
  const { model } = target;
  const contestants: Contestant[] = [];
  for (const name of options.draft) {
    const loaded = await loadDraft(device, name, options.dtype, target, context);
    const draft = loaded.model;
    contestants.push(
      draft === undefined
        ? contestant(model, { name, sizeRatio: 0, draft: draftPromptLookup() })
        : contestant(model, {
          name,
          sizeRatio: draft.size / target.size,
          draft: draftModel(draft.model, { vocabulary: draft.vocabulary }),
        }),
    );
  }
  const prompts = await promptsOf(target, options);
  const bar = context.progress({ label: "evaluate", unit: "prompts", total: prompts.length });
  const rows = await compareDrafts(model, contestants, prompts, {
    gamma: options.gamma,
    verify: options.verify === "block" ? verifyBlock : verifyToken,
    warp: warpOf(options),
    maxTokens: options.maxTokens,
    stopTokens: target.file.tokenizer.endOfTurn,
    key: keyOf(options.seed),
    onPrompt: (done) => bar.update(done),
    signal: context.signal,
  });
  bar.finish();
  const table = contestTable(rows, options.temperature === 0 ? "greedy" : "sampled");
  context.print(table);
  device.close();
  const { gamma, dtype } = options;
  const report = { target: options.target, gamma, temperature: options.temperature, dtype, rows };
  if (options.out !== undefined) {
    await writeTextAtomically(`${options.out}/report.json`, `${JSON.stringify(report, null, 2)}\n`);
    await writeTextAtomically(`${options.out}/report.md`, "```\n" + table + "```\n");
  }
  return report;
});
