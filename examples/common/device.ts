/**
 * The device that a command runs on: here, and only here, a program chooses its backend.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { referenceBackend } from "@outrider/outrider/backends/reference";
import { wasmBackend } from "@outrider/outrider/backends/wasm";
import { choice, integerOr } from "@outrider/outrider/cli";
import { createDevice, type Device } from "@outrider/outrider/runtime";

/** Flags of every command that computes. */
export const deviceFlags = {
  backend: choice({
    of: ["auto", "wasm", "reference", "webgpu"],
    default: "auto",
    help: "where to compute: auto is wasm, reference is plain and slow, webgpu is to come",
  }),
  threads: integerOr({
    word: "auto",
    default: "auto",
    minimum: 1,
    maximum: 64,
    help: "threads of the wasm backend; auto is 1",
  }),
};

/** What {@link deviceFlags} give. */
export interface DeviceOptions {
  readonly backend: "auto" | "wasm" | "reference" | "webgpu";
  readonly threads: number | "auto";
}

/** A device and how many threads it uses. */
export interface OpenDevice {
  readonly device: Device;
  readonly threads: number;
}

/**
 * Threads where nobody says: one per core up to four. Work is handed out in small pieces, so that a
 * core which another process holds slows a run down little.
 */
const AUTOMATIC_THREADS = Math.min(4, Math.max(1, navigator.hardwareConcurrency));

/** Opens the device that the flags ask for. */
export function openDevice({ backend, threads }: DeviceOptions): OpenDevice {
  if (backend === "webgpu") {
    throw new OutriderError(
      "the backend wasm or reference",
      "webgpu, which this version does not have yet",
      "leave --backend out",
    );
  }
  if (backend === "reference") return { device: createDevice(referenceBackend()), threads: 1 };
  const count = threads === "auto" ? AUTOMATIC_THREADS : threads;
  const made = wasmBackend({ threads: count });
  return { device: createDevice(made), threads: made.threads };
}
