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
  /** Throws the first fault, also of calls under watch that WebGPU has not judged yet. */
  settled(): Promise<void>;
  /** Calls the device; an error of the kind that it leads to is kept as a fault. */
  watch<T>(kind: GPUErrorFilter, expected: string, call: () => T): T;
  /** The error of a call that failed on the host: the fault behind it, or its own words. */
  explain(expected: string, error: unknown): Promise<OutriderError>;
  /** Ends the watch: the device may go now. */
  end(): void;
}

/** What a program does after any fault; the comment of the module `mod.ts` says more. */
const CURE = "open a new backend, load the model again and go on from the last committed token";

/** One line of what may be a picture of the code. */
function firstLines(message: string): string {
  return message.trim().split("\n").slice(0, 12).join(" ").replaceAll(/\s+/g, " ");
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A turn of the event loop, in which WebGPU delivers what it has to say. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Watches a device. */
export function watchDevice(device: GPUDevice): Faults {
  let fault: OutriderError | undefined;
  let isWatched = true;
  const unjudged = new Set<Promise<void>>();
  const note = (expected: string, message: string): void => {
    if (isWatched) fault ??= new OutriderError(expected, firstLines(message), CURE);
  };
  const check = (): void => {
    if (fault !== undefined) throw fault;
  };
  const lost = "a WebGPU device that stays";
  device.lost.then(
    ({ reason, message }) => note(lost, `one that was lost (${reason}): ${message}`),
    (error) => note(lost, textOf(error)),
  );
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    if (!(event instanceof GPUUncapturedErrorEvent)) return;
    const isMemory = event.error instanceof GPUOutOfMemoryError;
    note(isMemory ? "room on the GPU" : "commands that the GPU takes", event.error.message);
  });
  return {
    check,
    async settled() {
      if (unjudged.size > 0) await Promise.all(unjudged);
      check();
    },
    watch(kind, expected, call) {
      device.pushErrorScope(kind);
      const result = call();
      const judged = device.popErrorScope().then(
        (error) => {
          if (error) note(expected, error.message);
        },
        // A device that is gone says so by itself.
        () => {},
      ).finally(() => unjudged.delete(judged));
      unjudged.add(judged);
      return result;
    },
    async explain(expected, error) {
      await turn();
      return fault ?? new OutriderError(expected, textOf(error), CURE);
    },
    end() {
      isWatched = false;
    },
  };
}
