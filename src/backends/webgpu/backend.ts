/**
 * The WebGPU backend.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { Backend } from "../../runtime/backend.ts";
import { type UsableAdapter, webgpuAdapter } from "./adapter.ts";
import type { GpuPlan } from "./attention_statistics.ts";
import { createBufferPool, sizeClass } from "./buffer_pool.ts";
import { prepareExecutable } from "./executable.ts";
import { createFuser } from "./fuse/fuse.ts";
import { openGpu } from "./gpu.ts";
import { createMemory } from "./memory.ts";
import { createPipelineCache } from "./pipelines.ts";
import { planDispatches } from "./plan_dispatches.ts";
import { createReadback, type ReadbackRoute, stagingClass } from "./readback.ts";
import { createRecorder } from "./recorder.ts";
import { createSlots } from "./slots.ts";
import { BUFFER_USAGE } from "./usage.ts";

/** What can be chosen about the backend. */
export interface WebgpuOptions {
  /** The adapter to use; by default the one that {@link webgpuAdapter} finds. */
  readonly adapter?: UsableAdapter;
  /**
   * How results come to the host; by default "at once" in Deno, where that works (it saves 11 ms per
   * read), and "awaited" elsewhere.
   */
  readonly readback?: ReadbackRoute;
  /** How a plan's commands become dispatches; as few as possible by default. */
  readonly dispatches?: "fused" | "one per kernel";
  /**
   * Bytes that shaders bind at once; as many as the adapter can by default (128 MiB or more). Larger
   * arrays are bound in pieces, and products with larger matrices become several.
   */
  readonly bindingBytes?: number;
  /** Bytes of a buffer; as many as the adapter can by default. Larger arrays lie in several. */
  readonly bufferBytes?: number;
}

/** The backend, with counters for tests and reports. */
export interface WebgpuBackend extends Backend {
  /** Its name in reports. */
  readonly name: "webgpu";
  /** Pipelines compiled so far; a second preparation of the same specs adds none. */
  readonly pipelinesCompiled: number;
  /** Dispatches of the last run. */
  readonly lastDispatches: number;
  /** Submissions so far. */
  readonly submits: number;
  /** Hands what is recorded to the GPU, which begins with it; a read does so by itself. */
  submit(): void;
  /** Copies to the host so far. */
  readonly readbacks: number;
  /** How they are made. */
  readonly readbackRoute: ReadbackRoute;
  /** Allocations in use. */
  readonly liveAllocations: number;
  /** Bytes of their buffers. */
  readonly liveBytes: number;
}

const CURE = "install a driver that WebGPU can use (Vulkan, Metal or DirectX), or use Wasm";

async function chosenAdapter(adapter: UsableAdapter | undefined): Promise<UsableAdapter> {
  if (adapter !== undefined) return adapter;
  const found = await webgpuAdapter();
  if (found.found === "adapter") return found.adapter;
  throw new OutriderError("a WebGPU adapter", `none: ${found.reason}`, CURE);
}

/**
 * Opens the WebGPU backend.
 *
 * @throws OutriderError where there is no adapter or it gives no device; from `prepare` where a kernel
 * needs more bindings than the adapter has, of which an array beyond `bindingBytes` takes several
 * @example
 * ```ts
 * import { webgpuAdapter, webgpuBackend } from "@outrider/outrider/backends/webgpu";
 * import { assertEquals } from "@std/assert";
 *
 * const found = await webgpuAdapter();
 * if (found.found === "adapter") {
 *   const backend = await webgpuBackend({ adapter: found.adapter });
 *   const allocation = backend.allocate(4);
 *   backend.write(allocation, Uint8Array.of(1, 2, 3, 4), 0);
 *   assertEquals(await backend.read(allocation, 1, 2), Uint8Array.of(2, 3));
 *   backend.close();
 * }
 * ```
 */
export async function webgpuBackend(options: WebgpuOptions = {}): Promise<WebgpuBackend> {
  const gpu = await openGpu(await chosenAdapter(options.adapter), options);
  const { device, faults } = gpu;
  const { storage, copySource, copyTarget, mapRead } = BUFFER_USAGE;
  const recorder = createRecorder(gpu);
  const usage = storage | copySource | copyTarget;
  const pool = createBufferPool(gpu, recorder, { usage, sizeClass });
  const stagingUse = { usage: mapRead | copyTarget, sizeClass: stagingClass };
  const staging = createBufferPool(gpu, recorder, stagingUse);
  const memory = createMemory(gpu, recorder, pool);
  const pipelines = createPipelineCache(gpu);
  const wanted = options.readback ?? ("Deno" in globalThis ? "at once" : "awaited");
  const readback = await createReadback(gpu, recorder, { staging, pool }, wanted);
  const dispatchesOf = options.dispatches === "one per kernel"
    ? (plan: GpuPlan) => planDispatches(plan, gpu.limits)
    : createFuser(gpu);
  const slots = createSlots(pool);
  const context = { gpu, recorder, pool, memory, pipelines, slots, dispatchesOf };
  let isOpen = true;
  const open = (): void => {
    if (!isOpen) throw new OutriderError("an open backend", "a closed one", "open a new one");
    faults.check();
  };
  return {
    name: "webgpu",
    activations: "f32",
    allocate(bytes) {
      open();
      return memory.allocate(bytes);
    },
    release: (allocation) => memory.release(allocation),
    write(allocation, bytes, offset) {
      open();
      memory.write(allocation, bytes, offset);
    },
    async read(allocation, offset, length, room) {
      open();
      return await readback.read(memory.range(allocation, offset, length), offset, length, room);
    },
    prepare(plan) {
      open();
      return prepareExecutable(plan, context);
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      faults.end();
      device.destroy();
    },
    get pipelinesCompiled() {
      return pipelines.compiled;
    },
    get lastDispatches() {
      return recorder.lastDispatches;
    },
    get submits() {
      return recorder.current;
    },
    submit() {
      open();
      recorder.submit();
    },
    readbackRoute: readback.route,
    get readbacks() {
      return readback.count;
    },
    get liveAllocations() {
      return memory.liveAllocations;
    },
    get liveBytes() {
      return memory.liveBytes;
    },
  };
}
