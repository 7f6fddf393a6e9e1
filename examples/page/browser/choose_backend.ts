/**
 * Which backend a page takes, and why.
 *
 * @module
 */
import type { BackendName } from "./protocol.ts";

/** What the browser has. */
export interface Surroundings {
  /** The adapter that WebGPU offers, or why there is none. */
  readonly gpu:
    | { readonly found: "adapter"; readonly name: string; readonly isSoftware: boolean }
    | { readonly found: "none"; readonly reason: string };
  /** Whether memory can be shared between threads. */
  readonly isolated: boolean;
}

/** A backend with the reason for it as a whole sentence. */
export interface ChosenBackend {
  readonly name: BackendName;
  readonly reason: string;
}

/** Why Wasm has the threads that it has. */
const threadsReason = (isolated: boolean): string =>
  isolated
    ? "The page is cross-origin isolated, so Wasm may use threads."
    : "The page is not cross-origin isolated, so Wasm has one thread.";

/** Takes what was asked for, or by itself WebGPU on a graphics card and Wasm everywhere else. */
export function chooseBackend(
  wanted: BackendName | "auto",
  { gpu, isolated }: Surroundings,
): ChosenBackend {
  const wasm = (why: string): ChosenBackend => ({
    name: "wasm",
    reason: `${why} ${threadsReason(isolated)}`,
  });
  if (wanted === "wasm") return wasm("You chose Wasm.");
  if (gpu.found === "none") {
    const asked = wanted === "webgpu" ? "You chose WebGPU, but" : "There is no WebGPU:";
    return wasm(`${asked} ${gpu.reason}.`);
  }
  if (wanted === "webgpu") return { name: "webgpu", reason: `You chose WebGPU (${gpu.name}).` };
  if (gpu.isSoftware) return wasm(`WebGPU only has a software adapter (${gpu.name}).`);
  return { name: "webgpu", reason: `There is a graphics card (${gpu.name}).` };
}
