/**
 * The recorder: commands pile up in one encoder until somebody needs their results.
 *
 * Work is submitted when results are read, when memory that waiting commands use is about to be
 * written, at the end, and when {@link MOST_WAITING} dispatches wait.
 *
 * @module
 */
import type { Gpu } from "./gpu.ts";
import type { Pipeline } from "./pipelines.ts";

/** Records commands of one device. */
export interface Recorder {
  /** The number of the submission that is being recorded: how many there were before. */
  readonly current: number;
  /** Dispatches of the last run. */
  readonly lastDispatches: number;
  /** Adds a dispatch to the compute pass. */
  dispatch(pipeline: Pipeline, group: GPUBindGroup): void;
  /** Says that the dispatches of a run are complete. */
  endRun(dispatches: number): void;
  /** Adds a copy to the beginning of another buffer. */
  copy(from: GPUBuffer, offset: number, to: GPUBuffer, bytes: number): void;
  /** Hands everything recorded to the device. */
  submit(): void;
}

/**
 * Dispatches that wait at most. One takes about a microsecond to record and several times that to
 * run, so that the device has work for longer than the next ones take to record.
 */
export const MOST_WAITING = 4096;

/** Makes a recorder. */
export function createRecorder({ device, faults }: Gpu): Recorder {
  let encoder: GPUCommandEncoder | undefined;
  let pass: GPUComputePassEncoder | undefined;
  let last: GPUComputePipeline | undefined;
  let [waiting, submits, lastDispatches] = [0, 0, 0];
  const opened = (): GPUCommandEncoder => encoder ??= device.createCommandEncoder();
  const openedPass = (): GPUComputePassEncoder => pass ??= opened().beginComputePass();
  const endPass = (): void => {
    pass?.end();
    [pass, last] = [undefined, undefined];
  };
  const submit = (): void => {
    if (encoder === undefined) return;
    endPass();
    const finished = encoder;
    encoder = undefined;
    waiting = 0;
    submits++;
    faults.watch(
      "validation",
      "commands that the GPU takes",
      () => device.queue.submit([finished.finish()]),
    );
  };
  return {
    get current() {
      return submits;
    },
    get lastDispatches() {
      return lastDispatches;
    },
    dispatch({ pipeline, x, y }, group) {
      const into = openedPass();
      if (pipeline !== last) into.setPipeline(pipeline);
      last = pipeline;
      into.setBindGroup(0, group);
      into.dispatchWorkgroups(x, y);
      waiting++;
    },
    endRun(dispatches) {
      lastDispatches = dispatches;
      if (waiting >= MOST_WAITING) submit();
    },
    copy(from, offset, to, bytes) {
      const into = opened();
      endPass();
      into.copyBufferToBuffer(from, offset, to, 0, bytes);
    },
    submit,
  };
}
