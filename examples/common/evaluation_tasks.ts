/**
 * The tasks of an evaluation: prompts that no draft was trained on, as token ids.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { integer, text } from "@outrider/outrider/cli";
import { heldOutPrompts, openPrompts } from "@outrider/outrider/data";
import type { EvaluationTask } from "@outrider/outrider/evaluate";
import { type ChatMessage, encodeChat, type ModelFile } from "@outrider/outrider/io";

/** Flags that say what to answer. */
export const taskFlags = {
  tasks: text({
    placeholder: "[NAME=]FILE,...",
    default: "language",
    help: "language (prompts that training never showed), .jsonl files, or a folder of them",
  }),
  outOfDistribution: text({
    placeholder: "NAME,...",
    default: "code",
    help: "tasks that drafts were not trained for",
  }),
  count: integer({ default: 20, minimum: 1, maximum: 20_000, help: "most prompts of a task" }),
};

/** What {@link taskFlags} give. */
export interface TaskOptions {
  readonly tasks: string;
  readonly outOfDistribution: string;
  readonly count: number;
  readonly seed: number;
}

/** A task and where its prompts are. */
interface TaskSource {
  readonly name: string;
  readonly path: string;
}

const JSON_LINES = /\.(jsonl|ndjson)(\.gz)?$/i;

/** `data/open_ended.jsonl` is the task `open-ended`. */
function taskName(path: string): string {
  return (path.split("/").at(-1) ?? path).replace(JSON_LINES, "").replaceAll("_", "-");
}

async function isFolder(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isDirectory }) => isDirectory).catch(() => false);
}

async function sourcesOf(part: string): Promise<TaskSource[]> {
  const [, name, path = part] = part.match(/^([^=/]+)=(.+)$/) ?? [];
  if (name !== undefined) return [{ name, path }];
  if (!await isFolder(path)) return [{ name: taskName(path), path }];
  const entries = await Array.fromAsync(Deno.readDir(path), (entry) => entry.name);
  const files = entries.filter((entry) => JSON_LINES.test(entry)).toSorted();
  if (files.length > 0) {
    return files.map((file) => ({ name: taskName(file), path: `${path}/${file}` }));
  }
  throw new OutriderError(`.jsonl files in ${path}`, "none", "check --tasks");
}

/** The conversations of a task, in an order that does not depend on how many are wanted. */
async function conversationsOf(
  { path }: TaskSource,
  { count, seed }: TaskOptions,
): Promise<readonly (readonly ChatMessage[])[]> {
  if (path === "language") {
    return heldOutPrompts(seed, count).map(({ prompt }) => [{ role: "user", content: prompt }]);
  }
  return await openPrompts(path, { seed, count: Number.MAX_SAFE_INTEGER });
}

/** The first prompts that the target's context has room for. */
function fittingPrompts(
  { tokenizer, config }: Pick<ModelFile, "tokenizer" | "config">,
  conversations: readonly (readonly ChatMessage[])[],
  count: number,
): number[][] {
  const fitting: number[][] = [];
  for (const messages of conversations) {
    if (fitting.length === count) break;
    const tokens = encodeChat(tokenizer, messages);
    if (tokens.length < config.contextLength) fitting.push(tokens);
  }
  return fitting;
}

/**
 * The tasks that the flags name.
 *
 * @throws OutriderError where a file cannot be read, or none of its prompts fits
 */
export async function openTasks(
  file: Pick<ModelFile, "tokenizer" | "config">,
  options: TaskOptions,
): Promise<EvaluationTask[]> {
  const parts = options.tasks.split(",").map((part) => part.trim());
  const sources = (await Promise.all(parts.map(sourcesOf))).flat();
  const names = sources.map(({ name }) => name);
  if (new Set(names).size < names.length) {
    throw new OutriderError("tasks of different names", names.join(", "), "write NAME=FILE");
  }
  const others = new Set(options.outOfDistribution.split(",").map((name) => name.trim()));
  const tasks: EvaluationTask[] = [];
  for (const source of sources) {
    const conversations = await conversationsOf(source, options);
    const prompts = fittingPrompts(file, conversations, options.count);
    if (prompts.length === 0) {
      throw new OutriderError(
        `prompts of fewer than ${file.config.contextLength} tokens in ${source.path}`,
        `${conversations.length} longer ones`,
        "name other tasks",
      );
    }
    tasks.push({ name: source.name, outOfDistribution: others.has(source.name), prompts });
  }
  return tasks;
}
