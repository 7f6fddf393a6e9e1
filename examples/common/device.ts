/**
 * The device that a command runs on: here, and only here, a program chooses its backend.
 *
 * @module
 */
import { referenceBackend } from "@outrider/outrider/backends/reference";
import { wasmBackend } from "@outrider/outrider/backends/wasm";
import { webgpuBackend } from "@outrider/outrider/backends/webgpu";
import { choice, integerOr } from "@outrider/outrider/cli";
import { createDevice, type Device } from "@outrider/outrider/runtime";
import { automaticThreads } from "./threads.ts";

/** Flags of every command that computes. */
export const deviceFlags = {
  backend: choice({
    of: ["auto", "wasm", "reference", "webgpu"],
    default: "auto",
    help: "where to compute: auto is wasm, webgpu is the GPU, reference is plain and slow",
  }),
  threads: integerOr({
    word: "auto",
    default: "auto",
    minimum: 1,
    maximum: 64,
    help: "threads of the wasm backend; auto is what a first measurement finds fastest",
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

/** Opens the device that the flags ask for. */
export async function openDevice({ backend, threads }: DeviceOptions): Promise<OpenDevice> {
  if (backend === "webgpu") return { device: createDevice(await webgpuBackend()), threads: 1 };
  if (backend === "reference") return { device: createDevice(referenceBackend()), threads: 1 };
  const count = threads === "auto" ? await automaticThreads() : threads;
  const made = wasmBackend({ threads: count });
  return { device: createDevice(made), threads: made.threads };
}
