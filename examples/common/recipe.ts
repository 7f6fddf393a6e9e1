/**
 * What the recipe's commands share: codecs, training flags, progress, and files of drafts.
 *
 * @module
 */
import { type CommandContext, integer, number, requiredText, toggle } from "@outrider/outrider/cli";
import type { DocumentCodec } from "@outrider/outrider/data";
import { type ModelFile, renderChat, type Tokenizer, writeGgufModel } from "@outrider/outrider/io";
import type { LlamaConfig } from "@outrider/outrider/nn";
import { type StageResult, type StepNotice, weightReader } from "@outrider/outrider/train";
import { OutriderError } from "@outrider/outrider";

/** Flags of every stage. */
export const stageFlags = {
  out: requiredText({ placeholder: "DIR", help: "the folder to write to; a killed run goes on" }),
  seed: integer({ default: 1, help: "decides first weights, order of data, and coins" }),
  json: toggle({ help: "print one JSON object" }),
};

/** Flags of the stages that train. */
export const trainingFlags = {
  steps: integer({ default: 400, minimum: 1, help: "optimiser steps" }),
  rows: integer({ default: 2048, minimum: 1, help: "tokens per step" }),
  rate: number({ default: 0.003, minimum: 0, help: "peak learning rate" }),
  saveEvery: integer({ default: 100, minimum: 1, help: "steps between checkpoints" }),
};

/**
 * Makes the folder of a command's results.
 *
 * @throws OutriderError where it cannot be made or written to
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
    await Deno.remove(await Deno.makeTempFile({ dir: path }));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OutriderError(`a folder to write to at ${path}`, reason, "name another one by --out");
  }
}

/** The first half of a file's SHA-256, by which a run that goes on knows its data again. */
export async function fingerprint(path: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
  return new Uint8Array(digest).slice(0, 16).toHex();
}

/** How a target's tokenizer turns text and conversations into documents. */
export function codecOf({ tokenizer, chatTemplate }: ModelFile): DocumentCodec {
  const { eos } = tokenizer;
  return {
    encode: (text) => tokenizer.encode(text),
    renderChat: (messages, options) => {
      if (chatTemplate === undefined) {
        throw new OutriderError(
          "a target with a chat template",
          "one without",
          "choose a chat model",
        );
      }
      return renderChat(chatTemplate, messages, { ...options, ...namesOf(tokenizer) });
    },
    endOfText: eos,
  };
}

/** The special tokens that templates ask for by text. */
function namesOf({ bos, eos, tokenText }: Tokenizer): { bosToken: string; eosToken: string } {
  return {
    bosToken: bos === undefined ? "" : tokenText(bos),
    eosToken: eos === undefined ? "" : tokenText(eos),
  };
}

/** A progress bar for training steps, and the notices as JSON lines beside the checkpoint. */
export async function stepReporter(
  context: CommandContext,
  label: string,
  { steps, out }: { readonly steps: number; readonly out: string },
): Promise<{ onStep: (notice: StepNotice) => void; finish: () => void }> {
  const bar = context.progress({ label, unit: "steps", total: steps });
  const log = await Deno.open(`${out}/metrics.jsonl`, { append: true, create: true });
  const encoder = new TextEncoder();
  return {
    onStep: ({ step, metrics, seconds, tokens }) => {
      log.writeSync(encoder.encode(`${JSON.stringify({ step, seconds, tokens, ...metrics })}\n`));
      bar.update(step, noteOf(metrics));
    },
    finish: () => {
      bar.finish();
      log.close();
    },
  };
}

/** The metrics that a progress bar has room for. */
export function noteOf({ loss, alpha }: Readonly<Record<string, number>>): string {
  const parts = [`loss ${loss.toFixed(3)}`];
  if (alpha !== undefined) parts.push(`alpha ${alpha.toFixed(3)}`);
  return parts.join("  ");
}

/** Writes a trained draft as a GGUF file with its target's tokenizer. */
export async function writeDraft(
  path: string,
  name: string,
  target: ModelFile,
  config: LlamaConfig,
  { parameters }: StageResult,
): Promise<void> {
  await writeGgufModel(path, {
    name,
    config,
    tokenizer: target.metadata,
    readWeight: weightReader(parameters),
    format: "F16",
  });
}
