/**
 * Adapters: whether there is a GPU that WebGPU can use.
 *
 * @module
 */

/** What the backend needs of an adapter. */
export type UsableAdapter = Pick<GPUAdapter, "features" | "limits" | "requestDevice">;

/** An adapter, or why there is none. */
export type FoundAdapter =
  | {
    readonly found: "adapter";
    readonly adapter: GPUAdapter;
    /** What it calls itself, for reports. */
    readonly name: string;
  }
  | { readonly found: "none"; readonly reason: string };

function nameOf({ info }: GPUAdapter): string {
  return [info.description, info.vendor, info.architecture].find((text) => text !== "") ??
    "an adapter without a name";
}

async function request(gpu: GPU): Promise<FoundAdapter> {
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
    if (adapter) return { found: "adapter", adapter, name: nameOf(adapter) };
    return { found: "none", reason: "the system offers WebGPU no adapter" };
  } catch (error) {
    return { found: "none", reason: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Looks for an adapter; that there is none is an answer, not an error.
 *
 * @example
 * ```ts
 * import { webgpuAdapter } from "@outrider/outrider/backends/webgpu";
 *
 * const found = await webgpuAdapter();
 * console.log(found.found === "adapter" ? found.name : found.reason);
 * ```
 */
export function webgpuAdapter(): Promise<FoundAdapter> {
  const gpu: GPU | undefined = globalThis.navigator?.gpu;
  if (gpu === undefined) {
    return Promise.resolve({ found: "none", reason: "navigator.gpu is missing here" });
  }
  return request(gpu);
}
