/**
 * Where a run begins: at its start, at its last checkpoint, or at the last one that a run of more
 * steps would have come by too.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { Device } from "../runtime/device.ts";
import type { BatchSource } from "./batch_source.ts";
import {
  type CheckpointInfo,
  checkRecipe,
  loadCheckpoint,
  readCheckpointInfo,
  type Restored,
} from "./checkpoint.ts";
import { extendableSteps, type RateOptions } from "./draft_optimizer.ts";
import { newRun } from "./run_progress.ts";
import type { Trainer } from "./training_step.ts";

/**
 * Whether a run goes on from a checkpoint: where there is one, always (it is an error where there is
 * none), or never, so that a new run takes its place.
 */
export type Resume = "ifThere" | "always" | "never";

/** A run and its checkpoint. */
export interface ResumableRun<State, Weights> extends RateOptions {
  readonly device: Device;
  readonly trainer: Pick<Trainer<State, Weights, never>, "init">;
  readonly parameters: Weights;
  readonly source: Pick<BatchSource<unknown>, "init">;
  readonly checkpoint?: string;
  readonly resume?: Resume;
}

/** The file of the last state before the rate falls: from it a run can be given more steps. */
export function beforeDecay(checkpoint: string): string {
  return `${checkpoint.replace(/\.safetensors$/, "")}.before-decay.safetensors`;
}

/** The state to begin with, and how far it is. */
export async function resumeRun<State, Weights>(
  run: ResumableRun<State, Weights>,
  recipe: string,
): Promise<Restored<State>> {
  const { device, trainer, parameters, source, checkpoint, resume = "ifThere" } = run;
  const path = checkpoint === undefined || resume === "never"
    ? undefined
    : await checkpointFor(run, checkpoint, recipe);
  if (path === undefined && resume === "always") {
    throw new OutriderError(
      `a checkpoint at ${checkpoint}`,
      "none",
      "check the folder, or leave out --resume to start",
    );
  }
  const fresh = trainer.init(parameters);
  const restored = path === undefined
    ? undefined
    : await loadCheckpoint(device, path, fresh, recipe);
  return restored ?? { state: fresh, progress: newRun(source) };
}

/**
 * The file to go on from; undefined where there is none. A run of as many steps as before goes on
 * from its last state. One of another number goes on from a state that it would have come by too.
 */
async function checkpointFor(
  run: Pick<ResumableRun<unknown, unknown>, "steps" | "rate" | "schedule">,
  checkpoint: string,
  recipe: string,
): Promise<string | undefined> {
  const last = await readCheckpointInfo(checkpoint);
  if (last === undefined) return undefined;
  checkRecipe(checkpoint, recipe, last.recipe);
  if (isOnTheWay(run, last)) return checkpoint;
  const path = beforeDecay(checkpoint);
  const earlier = await readCheckpointInfo(path);
  if (earlier?.recipe === recipe && isOnTheWay(run, earlier)) return path;
  throw new OutriderError(
    `${last.totalSteps} steps, as in the first run, or a state before the rate fell`,
    `${run.steps} steps, and step ${last.progress.step} in ${checkpoint}`,
    "choose more steps, or name another folder",
  );
}

function isOnTheWay(
  { steps, schedule }: RateOptions,
  { totalSteps, progress }: CheckpointInfo,
): boolean {
  const shared = [steps, totalSteps].map((count) => extendableSteps({ steps: count, schedule }));
  return steps === totalSteps || progress.step <= Math.min(...shared);
}
