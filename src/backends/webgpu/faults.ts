/**
 * Faults that WebGPU reports late: a lost device, a refused command, memory that ran out.
 *
 * They are kept until the next call, which throws them as one error.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";

/** What has gone wrong with a device. */
export interface Faults {
  /** Throws the first fault, where there is one. */
  check(): void;
  /** Keeps a fault, unless an earlier one is there. */
  note(expected: string, found: string): void;
  /** Ends the watch: the device may go now. */
  end(): void;
}

/** What a program does after any fault; the module's comment says more. */
const CURE = "open a new backend, load the model again and go on from the last committed token";

/** Watches a device. */
export function watchDevice(device: GPUDevice): Faults {
  let fault: OutriderError | undefined;
  let isWatched = true;
  const note = (expected: string, found: string): void => {
    if (isWatched) fault ??= new OutriderError(expected, found, CURE);
  };
  device.lost.then(
    ({ reason, message }) => note("a WebGPU device", `one that was lost (${reason}): ${message}`),
    (error) => note("a WebGPU device", `one that was lost: ${error}`),
  );
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    if (event instanceof GPUUncapturedErrorEvent) {
      const { error } = event;
      const isMemory = error instanceof GPUOutOfMemoryError;
      note(isMemory ? "room on the GPU" : "commands that the GPU takes", error.message);
    }
  });
  return {
    check() {
      if (fault !== undefined) throw fault;
    },
    note,
    end() {
      isWatched = false;
    },
  };
}
