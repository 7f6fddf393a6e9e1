/**
 * A process that loads a model and says as JSON what memory that took, in bytes.
 *
 *     deno run -A tests/models/load_memory.ts MODEL DTYPE THREADS
 */
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { loadLlama, openModel, WEIGHT_TYPES } from "../../src/io/mod.ts";
import { createDevice, uploadsTo } from "../../src/runtime/mod.ts";

/** What loading took. */
export interface LoadMemory {
  /** Resident bytes of the process when the model was open and the threads were there. */
  readonly rest: number;
  /** Most resident bytes from then until all weights were loaded. */
  readonly peak: number;
  /** Bytes of the weights on the device. */
  readonly weights: number;
  /** Bytes of the largest tensor as f32. */
  readonly largest: number;
}

/** A line of the kernel's account of this process. */
function statusBytes(name: "VmRSS" | "VmHWM"): number {
  const text = Deno.readTextFileSync("/proc/self/status");
  return 1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]);
}

/** Forgets the highest use so far. */
function resetPeak(): void {
  Deno.writeTextFileSync("/proc/self/clear_refs", "5", { create: false });
}

/** True where the kernel gives this account. */
export function canMeasure(): boolean {
  try {
    resetPeak();
    return statusBytes("VmHWM") > 0 && statusBytes("VmRSS") > 0;
  } catch {
    return false;
  }
}

if (import.meta.main) {
  const [path, wanted, threads] = Deno.args;
  const dtype = WEIGHT_TYPES.find((type) => type === wanted) ?? "keep";
  const device = createDevice(wasmBackend({ threads: Number(threads) }));
  const file = await openModel(path);
  // Workers start on their own while this thread is idle.
  await new Promise((resolve) => setTimeout(resolve, 300));
  resetPeak();
  const rest = statusBytes("VmRSS");
  await loadLlama(file, dtype, uploadsTo(device));
  const peak = statusBytes("VmHWM");
  const sizes = [...file.tensors.values()].map(({ shape }) => shape.reduce((a, b) => a * b, 4));
  const report: LoadMemory = {
    rest,
    peak,
    weights: device.counters().liveBytes,
    largest: Math.max(...sizes),
  };
  console.log(JSON.stringify(report));
  Deno.exit(0);
}
