/**
 * What the recipe's commands share: codecs, training flags, progress, and files of drafts.
 *
 * @module
 */
import {
  type CommandContext,
  integer,
  number,
  type Progress,
  requiredText,
  toggle,
} from "@outrider/outrider/cli";
import { checkpoint } from "@outrider/outrider/core";
import type { DocumentCodec } from "@outrider/outrider/data";
import {
  type ModelFile,
  renderChat,
  type Tokenizer,
  writeGgufModel,
  writeModelFolder,
} from "@outrider/outrider/io";
import type { LayerTransform, LlamaConfig } from "@outrider/outrider/nn";
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
  rows: integer({ default: 2048, minimum: 1, maximum: 65_536, help: "tokens per step" }),
  rate: number({ default: 0.003, minimum: 0, help: "peak learning rate" }),
  saveEvery: integer({ default: 100, minimum: 1, help: "steps between checkpoints" }),
  saveMemory: toggle({
    help:
      "compute layers again in the backward pass instead of keeping them: the same draft, slower",
  }),
};

/** How the layers of a draft are run in training. */
export function layersOf(
  { saveMemory }: { readonly saveMemory: boolean },
): LayerTransform | undefined {
  return saveMemory ? checkpoint : undefined;
}

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

/** Reports of training steps: a progress bar, and JSON lines beside the checkpoint. */
export interface StepReporter {
  readonly onStep: (notice: StepNotice) => void;
  /** Ends the bar; a run that had been finished before shows so. */
  readonly finish: (step: number) => void;
}

/** Starts reporting with the first step, which need not be step 1: a run may go on. */
export function stepReporter(
  context: Pick<CommandContext, "progress" | "log">,
  label: string,
  { steps, out }: { readonly steps: number; readonly out: string },
): StepReporter {
  const path = `${out}/metrics.jsonl`;
  let bar: Progress | undefined;
  const start = (step: number, seconds: number): Progress =>
    context.progress({ label, unit: "steps", total: steps, startedAt: step, seconds });
  return {
    onStep: ({ step, metrics, seconds, tokens }) => {
      if (bar === undefined) {
        keepLinesBefore(path, step);
        if (step > 1) context.log(`goes on after step ${step - 1}\n`);
      }
      bar ??= start(step - 1, seconds);
      const line = JSON.stringify({ step, seconds, tokens, ...metrics });
      Deno.writeTextFileSync(path, `${line}\n`, { append: true });
      bar.update(step, noteOf(metrics));
    },
    finish: (step) => (bar ?? start(step, 0)).finish(),
  };
}

/** Drops what a killed run had logged after its last checkpoint: these steps run again. */
function keepLinesBefore(path: string, step: number): void {
  Deno.writeTextFileSync(path, "", { append: true });
  const lines = Deno.readTextFileSync(path).split("\n");
  const kept = lines.filter((line) => {
    const [, logged] = line.match(/^\{"step":(\d+),.*\}$/) ?? [];
    return logged !== undefined && Number(logged) < step;
  });
  Deno.writeTextFileSync(path, kept.map((line) => `${line}\n`).join(""));
}

/** The metrics that a progress bar has room for. */
export function noteOf({ loss, alpha }: Readonly<Record<string, number>>): string {
  const parts = [`loss ${loss.toFixed(3)}`];
  if (alpha !== undefined) parts.push(`alpha ${alpha.toFixed(3)}`);
  return parts.join("  ");
}

/** What is written of a trained draft. */
export interface TrainedDraft {
  readonly name: string;
  readonly config: LlamaConfig;
  readonly result: StageResult;
}

/**
 * Writes a trained draft into a folder in the form that its target has: `draft.gguf`, or a Hugging
 * Face folder `draft` with the target's tokenizer files. Gives the path.
 */
export async function writeDraft(
  out: string,
  target: ModelFile,
  { name, config, result }: TrainedDraft,
): Promise<string> {
  const readWeight = weightReader(result.parameters);
  if (target.source === "safetensors") {
    const path = `${out}/draft`;
    await writeModelFolder(path, { config, readWeight, like: target.path, format: "F16" });
    return path;
  }
  const path = `${out}/draft.gguf`;
  const tokenizer = target.metadata;
  await writeGgufModel(path, { name, config, tokenizer, readWeight, format: "F16" });
  return path;
}
