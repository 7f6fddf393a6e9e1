/**
 * What the commands that train share: flags, options of a stage, and reports of its steps.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import {
  choice,
  type CommandContext,
  formatNumber,
  integer,
  number,
  type OptionsOf,
  type Progress,
  toggle,
} from "@outrider/outrider/cli";
import { checkpoint } from "@outrider/outrider/core";
import type { Corpus } from "@outrider/outrider/data";
import {
  type HeldOut,
  scheduleNames,
  type StageOptions,
  type StepNotice,
} from "@outrider/outrider/train";

/** Flags of the stages that train. */
export const trainingFlags = {
  steps: integer({ default: 400, minimum: 1, help: "optimiser steps" }),
  rows: integer({ default: 2048, minimum: 1, maximum: 65_536, help: "tokens per step" }),
  rate: number({ default: 0.003, minimum: 0, help: "peak learning rate" }),
  schedule: choice({
    of: scheduleNames,
    default: "cosine",
    help: "how the rate falls; with wsd or constant a run can be given more --steps later",
  }),
  saveEvery: integer({ default: 100, minimum: 1, help: "steps between checkpoints" }),
  resume: toggle({
    help: "go on from the checkpoint in --out, which must be there; else only where there is one",
  }),
  startOver: toggle({ help: "begin at step 1 and replace the checkpoint in --out" }),
  evaluateEvery: integer({
    default: 100,
    minimum: 1,
    help: "steps between scores on the --validation data",
  }),
  saveMemory: toggle({
    help:
      "compute layers again in the backward pass instead of keeping them: the same draft, slower",
  }),
};

/** What {@link trainingFlags} and the folder and seed of a stage say. */
export type TrainingFlags = OptionsOf<typeof trainingFlags> & {
  readonly out: string;
  readonly seed: number;
};

/** Batches that are scored every time. */
const VALIDATION_BATCHES = 8;

/** The options of a stage that its flags give; `heldOut` is scored where it is given. */
export function trainingOptions(
  flags: TrainingFlags,
  heldOut: Corpus | undefined,
): Omit<StageOptions, "data"> {
  const { steps, rows, rate, schedule, seed, saveEvery, evaluateEvery, out } = flags;
  const validation: HeldOut | undefined = heldOut === undefined
    ? undefined
    : { corpus: heldOut, every: evaluateEvery, batches: VALIDATION_BATCHES };
  return {
    steps,
    rowsPerBatch: rows,
    rate,
    schedule,
    seed,
    saveEvery,
    validation,
    layers: flags.saveMemory ? checkpoint : undefined,
    checkpoint: `${out}/checkpoint.safetensors`,
    resume: resumeOf(flags),
  };
}

function resumeOf(
  { resume, startOver }: Pick<TrainingFlags, "resume" | "startOver">,
): StageOptions["resume"] {
  if (resume && startOver) {
    throw new OutriderError("--resume or --start-over", "both", "leave one out");
  }
  return resume ? "always" : startOver ? "never" : "ifThere";
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
  let speed: number | undefined;
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
      const secondsPerToken = seconds / tokens;
      speed = speed === undefined ? secondsPerToken : 0.9 * speed + 0.1 * secondsPerToken;
      bar.update(step, `${formatNumber(Math.round(1 / speed))} tokens/s  ${noteOf(metrics)}`);
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
export function noteOf(
  { loss, alpha, skipped = 0 }: Readonly<Record<string, number>>,
): string {
  const parts = [`loss ${loss.toFixed(3)}`];
  if (alpha !== undefined) parts.push(`alpha ${alpha.toFixed(3)}`);
  if (skipped > 0) parts.push(`${skipped} skipped`);
  return parts.join("  ");
}
