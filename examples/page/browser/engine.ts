/**
 * The worker's side of the conversation: a model on a device that answers when it is asked.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import type { Costs } from "@outrider/outrider/decode";
import type { Device } from "@outrider/outrider/runtime";
import { type AnswerRun, promptOf, warmUp, writeAnswer } from "./answer.ts";
import { costsOf, type Models } from "./decoders.ts";
import { openBackend } from "./open_backend.ts";
import { openDraft, openTarget } from "./open_models.ts";
import type { AnswerOptions, AnswerRequest, OpenRequest, WorkerEvent } from "./protocol.ts";

/** Answers requests. */
export interface Engine {
  open(request: OpenRequest): Promise<void>;
  answer(request: AnswerRequest): Promise<void>;
  stop(): void;
}

/** What was opened, and what has been learned about it. */
interface Opened {
  readonly device: Device;
  readonly models: Models;
  /** Costs by what they depend on. */
  readonly costs: Map<string, Costs>;
  /** Ways to answer whose kernels are compiled. */
  readonly warm: Set<string>;
}

/** An engine that tells what it does by `send`. */
export function createEngine(send: (event: WorkerEvent) => void): Engine {
  let opened: Opened | undefined;
  let abort = new AbortController();
  return {
    async open({ backend, threads, file, weights }) {
      send({ kind: "busy", doing: "Looking for the fastest way to compute" });
      const { device, facts } = await openBackend({ backend, threads });
      send({ kind: "busy", doing: `Loading ${file?.name ?? "the embedded model"}` });
      const target = await openTarget(device, file, weights);
      send({ kind: "busy", doing: "Looking for a draft" });
      const draft = await openDraft(device, target.tokenizer, weights);
      const models = { target, draft, begins: new Map() };
      opened = { device, models, costs: new Map(), warm: new Set() };
      const model = target.facts;
      send({ kind: "opened", facts: { backend: facts, model, draft: draft?.facts } });
    },
    async answer({ messages, options }) {
      if (opened === undefined) throw new OutriderError("a model", "none", "choose one first");
      abort = new AbortController();
      const models = modelsFor(opened.models, options);
      const prompt = promptOf(models.target, messages);
      const length = await lengthOf(opened, models, options, send);
      const run: AnswerRun = { prompt, options, length, signal: abort.signal, send };
      await warmOnce(opened, models, run, send);
      send(await writeAnswer(models, run));
    },
    stop: () => abort.abort(),
  };
}

/** The models without the draft model where the text itself is to be the draft. */
function modelsFor(models: Models, options: AnswerOptions): Models {
  return options.draft === "lookup" ? { ...models, draft: undefined } : models;
}

/** The number of tokens to draft, or the costs to choose it by, which are measured once. */
async function lengthOf(
  { costs }: Opened,
  models: Models,
  options: AnswerOptions,
  send: (event: WorkerEvent) => void,
): Promise<number | Costs> {
  if (options.gamma !== "auto") return options.gamma;
  const key = `${models.draft?.facts.name} at ${options.temperature}`;
  const known = costs.get(key);
  if (known !== undefined) return known;
  send({ kind: "busy", doing: "Measuring what drafts cost here" });
  const measured = await costsOf(models, options);
  costs.set(key, measured);
  return measured;
}

/** Compiles the kernels of a way to answer before its first answer is timed. */
async function warmOnce(
  { warm }: Opened,
  models: Models,
  run: AnswerRun,
  send: (event: WorkerEvent) => void,
): Promise<void> {
  const key = `${models.draft?.facts.name} by ${run.options.gamma}`;
  if (warm.has(key)) return;
  send({ kind: "busy", doing: "Compiling kernels" });
  await warmUp(models, run);
  if (!run.signal.aborted) warm.add(key);
}
