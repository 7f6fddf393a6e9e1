/**
 * The whole recipe with one command: a chat model in, an aligned draft and its report out.
 *
 *     deno task align --target smollm2 --out out/smollm2
 *
 * Each stage is one of the other commands, in a process of its own, with a folder of its own; every
 * one of them goes on where it was stopped, so this one does too.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import {
  choice,
  type CommandContext,
  integer,
  optionalText,
  type OptionsOf,
  requiredText,
  runCommand,
  toggle,
} from "@outrider/outrider/cli";
import { WEIGHT_TYPES } from "@outrider/outrider/io";
import { isLossName, losses } from "@outrider/outrider/losses";
import { makeFolder } from "./common/recipe.ts";
import { TEXT_SOURCES } from "./common/text_sources.ts";

const flags = {
  target: requiredText({
    placeholder: "MODEL",
    help: "the chat model: smollm2, embedded, a path, or a hub id such as owner/name",
  }),
  dtype: choice({
    of: WEIGHT_TYPES,
    default: "q8",
    help: "how the target's weights are stored while it teaches",
  }),
  instructions: optionalText({
    placeholder: "FILES",
    help: ".jsonl files with instructions to answer beside those that the target writes itself",
  }),
  text: optionalText({
    placeholder: "NAME|FILES",
    help: "text to pretrain on; freely licensed text is fetched where this is left out",
  }),
  answers: integer({ default: 4000, minimum: 1, help: "answers of the target to learn from" }),
  maxTokens: integer({ default: 192, minimum: 1, help: "most tokens of an answer" }),
  keepTokens: integer({
    default: 8000,
    minimum: 0,
    help: "trim the vocabulary to the N tokens that the target writes most; 0 keeps all",
  }),
  layers: integer({ default: 3, minimum: 1, help: "layers of the draft" }),
  pretrainSteps: integer({ default: 3000, minimum: 1, help: "steps of stage A" }),
  finetuneSteps: integer({ default: 2000, minimum: 1, help: "steps of stage C" }),
  rows: integer({ default: 1024, minimum: 1, maximum: 65_536, help: "tokens per step" }),
  loss: choice({
    of: Object.keys(losses).filter(isLossName),
    default: "tvd++",
    help: "what draws the draft's distributions to the target's",
  }),
  tasks: optionalText({
    placeholder: "[NAME=]FILE,...",
    help: "prompts of the report: .jsonl files or a folder of them",
  }),
  seed: integer({ default: 1, help: "decides first weights, order of data, and coins" }),
  threads: optionalText({ placeholder: "N|auto", help: "threads of every stage" }),
  out: requiredText({ placeholder: "DIR", help: "the folder of all stages; a killed run goes on" }),
  json: toggle({ help: "print one JSON object" }),
};

/** One of the other commands with its arguments; the folder holds all that it writes. */
interface Stage {
  readonly command: string;
  readonly args: readonly string[];
}

type AlignOptions = OptionsOf<typeof flags>;

/** What the draft of the last stage is called: trimmed drafts have a form of their own. */
function draftIn(folder: string, { keepTokens }: Pick<AlignOptions, "keepTokens">): string {
  return `${folder}/draft.${keepTokens === 0 ? "gguf" : "safetensors"}`;
}

/** Stage B: the target answers itself, and files where there are some. */
function distillStages(options: AlignOptions): { stages: Stage[]; sets: string } {
  const { target, dtype, answers, maxTokens, seed, out, instructions } = options;
  const distill = (prompts: string, folder: string): Stage => ({
    command: "distill",
    args: [
      ...["--target", target, "--dtype", dtype, "--prompts", prompts, "--count", `${answers}`],
      ...["--max-tokens", `${maxTokens}`, "--sequences", "32", "--seed", `${seed}`],
      ...["--out", folder],
    ],
  });
  const own = { prompts: "self", folder: `${out}/self` };
  const asked = instructions === undefined
    ? []
    : [{ prompts: instructions, folder: `${out}/instructions` }];
  const all = [own, ...asked];
  return {
    stages: all.map(({ prompts, folder }) => distill(prompts, folder)),
    sets: all.map(({ folder }) => folder).join(","),
  };
}

/** The stages of the recipe, in order. */
function stagesOf(options: AlignOptions): { stages: Stage[]; draft: string } {
  const { target, out, seed, rows, text, keepTokens } = options;
  const fetched = TEXT_SOURCES.map(({ name }) => `${out}/text/${name}.jsonl`).join(",");
  const data = text ?? fetched;
  const { stages, sets } = distillStages(options);
  const training = ["--rows", `${rows}`, "--seed", `${seed}`, "--token-cache", `${out}/tokens`];
  const trim = keepTokens === 0 ? [] : ["--keep-tokens", `${keepTokens}`, "--count-in", sets];
  const pretrain: Stage = {
    command: "pretrain",
    args: [
      ...["--target", target, "--data", data, ...trim, "--layers", `${options.layers}`],
      ...["--steps", `${options.pretrainSteps}`, ...training, "--out", `${out}/pretrain`],
    ],
  };
  const first = draftIn(`${out}/pretrain`, options);
  const finetune: Stage = {
    command: "finetune",
    args: [
      ...["--target", target, "--draft", first, "--set", sets, "--data", data],
      ...["--loss", options.loss, "--steps", `${options.finetuneSteps}`, ...training],
      ...["--out", `${out}/finetune`],
    ],
  };
  const draft = draftIn(`${out}/finetune`, options);
  const evaluate: Stage = {
    command: "evaluate",
    args: [
      ...["--target", target, "--dtype", options.dtype, "--draft", `base=${first}`],
      ...["--draft", `${options.loss}=${draft}`, "--decoding", "0,1", "--out", `${out}/report`],
      ...(options.tasks === undefined ? [] : ["--tasks", options.tasks]),
    ],
  };
  const fetch = text === undefined
    ? [{ command: "fetch-text", args: ["--out", `${out}/text`] }]
    : [];
  return { stages: [...fetch, ...stages, pretrain, finetune, evaluate], draft };
}

/** Runs a stage to its end. */
async function runStage(
  { command, args }: Stage,
  { threads }: Pick<AlignOptions, "threads">,
  context: CommandContext,
): Promise<void> {
  const script = new URL(`./${command.replace("-", "_")}.ts`, import.meta.url).href;
  const own = threads === undefined || command === "fetch-text" ? [] : ["--threads", threads];
  context.log(`\n${command} ${[...args, ...own].join(" ")}\n`);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script, ...args, ...own],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  // A terminal sends Ctrl-C to the child itself, and a second one would end it at once; anybody else
  // only knows this process.
  const stop = (): void => {
    if (Deno.stdin.isTerminal()) return;
    try {
      child.kill("SIGINT");
    } catch {
      // It has ended.
    }
  };
  context.signal.addEventListener("abort", stop);
  const { code } = await child.status;
  context.signal.removeEventListener("abort", stop);
  context.signal.throwIfAborted();
  if (code === 0) return;
  throw new OutriderError(
    `${command} to end well`,
    `exit code ${code}`,
    "see its own line above; the same command goes on from there",
  );
}

/** The text of a file that need not be there. */
async function textOf(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return "";
  }
}

await runCommand({
  name: "deno task align",
  summary:
    "The whole recipe: writes a distillation set, pretrains, finetunes and evaluates a draft.",
  flags,
  examples: [
    "deno task align --target smollm2 --out out/smollm2",
    "deno task align --target embedded --text language --keep-tokens 0 --out out/embedded",
  ],
}, async (options, context) => {
  await makeFolder(options.out);
  const { stages, draft } = stagesOf(options);
  for (const stage of stages) await runStage(stage, options, context);
  context.print(await textOf(`${options.out}/report/report.md`));
  context.print(`${draft}\n`);
  return { draft, report: `${options.out}/report` };
});
