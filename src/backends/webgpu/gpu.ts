/**
 * An open device with what it can do.
 *
 * @module
 */
import type { GpuFeatures } from "../../../kernels/wgsl/mod.ts";
import { OutriderError } from "../../core/errors.ts";
import type { UsableAdapter } from "./adapter.ts";
import { type Faults, watchDevice } from "./faults.ts";
import { type MemoryLimits, memoryLimits } from "./limits.ts";

/** What all parts of the backend share. */
export interface Gpu {
  readonly device: GPUDevice;
  /** What decides the code of kernels. */
  readonly features: GpuFeatures;
  /** How memory is cut. */
  readonly limits: MemoryLimits;
  readonly faults: Faults;
}

/** The limits that decide what fits; each is asked for as high as the adapter goes. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
] as const;

const HALF_FLOATS = "shader-f16";

/**
 * Opens a device of an adapter.
 *
 * @throws OutriderError where the adapter gives none, or the limits that are wanted are too small
 */
export async function openGpu(
  adapter: UsableAdapter,
  wanted: Partial<MemoryLimits> = {},
): Promise<Gpu> {
  const hasHalves = adapter.features.has(HALF_FLOATS);
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({
      requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
      requiredFeatures: hasHalves ? [HALF_FLOATS] : [],
    });
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    throw new OutriderError("a WebGPU device of the adapter", found, "use the Wasm backend");
  }
  return {
    device,
    faults: watchDevice(device),
    limits: memoryLimits(device.limits, wanted),
    features: {
      halfFloats: hasHalves ? "present" : "absent",
      workgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
      mostLanes: Math.min(
        device.limits.maxComputeInvocationsPerWorkgroup,
        device.limits.maxComputeWorkgroupSizeX,
      ),
    },
  };
}
