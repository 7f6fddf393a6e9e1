/**
 * Prompts that the target writes itself, kept in a file of their own so that a run that was killed
 * goes on.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import type { CommandContext } from "@outrider/outrider/cli";
import {
  countReason,
  countsLine,
  duplicateFilter,
  firstReason,
  lengthFilter,
  type Message,
  NO_COUNTS,
  parseJson,
  readLines,
} from "@outrider/outrider/data";
import { encodeChat } from "@outrider/outrider/io";
import type { Device } from "@outrider/outrider/runtime";
import { selfSeededInstructions, userHeader } from "@outrider/outrider/train";
import type { LoadedModel } from "./models.ts";

/** How instructions are drawn. */
export interface SelfPromptOptions {
  readonly device: Device;
  readonly target: LoadedModel;
  /** The file of instructions. */
  readonly path: string;
  readonly count: number;
  readonly temperature: number;
  readonly seed: number;
  readonly sequences: number;
}

/** Longer instructions are seldom any. */
const MAXIMUM_TOKENS = 96;
const TOP_P = 0.95;

/** One line of the file. */
interface WrittenInstruction {
  readonly instruction: string;
  readonly ended: boolean;
}

function isWritten(value: unknown): value is WrittenInstruction {
  return typeof value === "object" && value !== null &&
    "instruction" in value && typeof value.instruction === "string" &&
    "ended" in value && typeof value.ended === "boolean";
}

function parsed(line: string, where: string): WrittenInstruction {
  const value: unknown = parseJson(line, where);
  if (isWritten(value)) return value;
  throw new OutriderError(
    `"instruction" and "ended" in ${where}`,
    line.slice(0, 60),
    "delete the file, or name another folder",
  );
}

/** The instructions of an earlier run; a torn last line is cut off the file. */
async function written(path: string): Promise<WrittenInstruction[]> {
  const found: WrittenInstruction[] = [];
  let end = 0;
  using file = await Deno.open(path, { write: true, create: true });
  for await (const { text, next, isComplete } of readLines(path)) {
    if (!isComplete) break;
    found.push(parsed(text, `${path}, line ${found.length + 1}`));
    end = next;
  }
  await file.truncate(end);
  return found;
}

/**
 * Writes what is missing of `count` instructions and gives those that pass the filters, in order.
 *
 * @throws OutriderError where none passes
 */
export async function selfPrompts(
  options: SelfPromptOptions,
  context: Pick<CommandContext, "progress" | "log" | "signal">,
): Promise<(readonly Message[])[]> {
  const { path, count, target } = options;
  const { tokenizer, config } = target.file;
  const all = await written(path);
  const bar = context.progress({
    label: "instructions",
    unit: "instructions",
    total: Math.max(count, all.length),
    startedAt: all.length,
  });
  const made = selfSeededInstructions({
    ...options,
    target: { config, parameters: target.parameters },
    stopTokens: tokenizer.endOfTurn,
    header: userHeader((content) => encodeChat(tokenizer, [{ role: "user", content }])),
    done: all.length,
    topP: TOP_P,
    maximumTokens: MAXIMUM_TOKENS,
    signal: context.signal,
  });
  try {
    for await (const { tokens, ended } of made) {
      const line = { instruction: tokenizer.decode(tokens), ended };
      Deno.writeTextFileSync(path, `${JSON.stringify(line)}\n`, { append: true });
      all.push(line);
      bar.update(all.length);
    }
  } finally {
    bar.finish();
  }
  return passing(all, context);
}

function passing(
  all: readonly WrittenInstruction[],
  { log }: Pick<CommandContext, "log">,
): (readonly Message[])[] {
  const filter = firstReason([lengthFilter({ minimum: 8, maximum: 600 }), duplicateFilter()]);
  let counts = NO_COUNTS;
  const kept = all.filter(({ instruction, ended }) => {
    const reason = ended ? filter(instruction) : "cut";
    counts = countReason(counts, reason);
    return reason === undefined;
  });
  log(`instructions: ${countsLine(counts)}\n`);
  if (kept.length > 0) {
    return kept.map(({ instruction }) => [{ role: "user", content: instruction.trim() }]);
  }
  throw new OutriderError("instructions from the target", "none that are any", "raise --count");
}
