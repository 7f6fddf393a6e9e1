/**
 * The device that the worker computes on: here the page chooses its backend.
 *
 * @module
 */
import { measureThreads, wasmBackend } from "@outrider/outrider/backends/wasm";
import { webgpuAdapter, webgpuBackend } from "@outrider/outrider/backends/webgpu";
import { createDevice, type Device } from "@outrider/outrider/runtime";
import { chooseBackend, type Surroundings } from "./choose_backend.ts";
import type { BackendFacts, OpenRequest } from "./protocol.ts";

/** A device and what to say of it. */
export interface OpenDevice {
  readonly device: Device;
  readonly facts: BackendFacts;
}

async function surroundings(): Promise<Surroundings> {
  const isolated = self.crossOriginIsolated;
  const found = await webgpuAdapter();
  if (found.found === "none") return { isolated, gpu: found };
  const { vendor, architecture, description, isFallbackAdapter } = found.adapter.info;
  const name = [vendor, architecture, description].filter((text) => text !== "").join(" ");
  return { isolated, gpu: { found: "adapter", name, isSoftware: isFallbackAdapter } };
}

/** What is said of a Wasm backend's threads. */
function threadsText(threads: number, wanted: number | undefined): string {
  const count = threads === 1 ? "1 thread" : `${threads} threads`;
  return wanted === undefined && self.crossOriginIsolated ? `${count}, as measured` : count;
}

/** Opens the backend that was asked for, or the one that suits this browser. */
export async function openBackend(
  { backend, threads }: Pick<OpenRequest, "backend" | "threads">,
): Promise<OpenDevice> {
  const { name, reason } = chooseBackend(backend, await surroundings());
  if (name === "wasm") {
    const wasm = wasmBackend({ threads: threads ?? await measureThreads() });
    const detail = threadsText(wasm.threads, threads);
    return { device: createDevice(wasm), facts: { name, reason, detail } };
  }
  const device = createDevice(await webgpuBackend());
  return { device, facts: { name, reason, detail: "on the GPU" } };
}
