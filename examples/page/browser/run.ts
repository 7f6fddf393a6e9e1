/**
 * A text that is being written: a decoder with its live state, whatever the state's type.
 *
 * @module
 */
import type { Key } from "@outrider/outrider";
import type { Decoder, Finish, StepReport } from "@outrider/outrider/decode";

/** What one step gave. */
export interface RunStep {
  readonly tokens: readonly number[];
  readonly report: StepReport;
  readonly finish: Finish | undefined;
}

/** A text that is being written; {@link Run.close} releases its caches. */
export interface Run {
  step(): Promise<RunStep>;
  close(): void;
}

/** Reads a prompt and stands before the first step. */
export async function startRun<State>(
  decoder: Decoder<State>,
  prompt: readonly number[],
  key: Key,
): Promise<Run> {
  let state: State = await decoder.init(prompt, key);
  return {
    step: async () => {
      const { state: next, tokens, report, finish } = await decoder.step(state);
      state = next;
      return { tokens, report, finish };
    },
    close: () => decoder.close(state),
  };
}
