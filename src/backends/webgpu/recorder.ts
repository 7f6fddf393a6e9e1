/**
 * The recorder: commands pile up in one encoder until somebody needs their results.
 *
 * Work is submitted when results are read, when memory that waiting commands use is about to be
 * written, at the end, and when {@link MOST_WAITING} dispatches wait.
 *
 * @module
 */

/** Records commands of one device. */
export interface Recorder {
  /** The number of the submission that is being recorded. */
  readonly current: number;
  /** Submissions so far. */
  readonly submits: number;
  /** Adds a dispatch to the compute pass. */
  dispatch(pipeline: GPUComputePipeline, groups: GPUBindGroup, x: number, y: number): void;
  /** Adds a copy between buffers. */
  copy(from: GPUBuffer, offset: number, to: GPUBuffer, bytes: number): void;
  /** Hands everything recorded to the device. */
  submit(): void;
}

/**
 * Dispatches that wait at most. A dispatch takes about a microsecond to record and tens of them to
 * run: the device has work for far longer than the next piece takes to record.
 */
export const MOST_WAITING = 4096;

/** Makes a recorder. */
export function createRecorder(device: GPUDevice): Recorder {
  let encoder: GPUCommandEncoder | undefined;
  let pass: GPUComputePassEncoder | undefined;
  let [waiting, submits] = [0, 0];
  const endPass = (): GPUCommandEncoder => {
    pass?.end();
    pass = undefined;
    return encoder ??= device.createCommandEncoder();
  };
  const submit = (): void => {
    if (encoder === undefined) return;
    const commands = endPass().finish();
    encoder = undefined;
    waiting = 0;
    submits++;
    device.queue.submit([commands]);
  };
  return {
    get current() {
      return submits;
    },
    get submits() {
      return submits;
    },
    dispatch(pipeline, groups, x, y) {
      encoder ??= device.createCommandEncoder();
      pass ??= encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, groups);
      pass.dispatchWorkgroups(x, y);
      if (++waiting >= MOST_WAITING) submit();
    },
    copy(from, offset, to, bytes) {
      endPass().copyBufferToBuffer(from, offset, to, 0, bytes);
    },
    submit,
  };
}
