/**
 * Pipelines, compiled once per dispatch spec.
 *
 * @module
 */
import {
  type BindingSpec,
  type DispatchSpec,
  generateShader,
  type Shader,
} from "../../../kernels/wgsl/mod.ts";
import { OutriderError } from "../../core/errors.ts";
import { stableJson } from "../../plan/stable_json.ts";
import type { Gpu } from "./gpu.ts";
import { COMPUTE_STAGE } from "./usage.ts";

/** A compiled dispatch. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** Groups along the two axes. */
  readonly x: number;
  readonly y: number;
}

/** The layouts of pipelines with the same bindings. */
interface Layouts {
  readonly group: GPUBindGroupLayout;
  readonly pipeline: GPUPipelineLayout;
}

/** The pipelines of a device. */
export interface PipelineCache {
  /** The pipeline of a dispatch; undefined where there is nothing to do. */
  get(spec: DispatchSpec): Pipeline | undefined;
  /** Pipelines compiled so far. */
  readonly compiled: number;
}

function layoutEntries(bindings: readonly BindingSpec[]): GPUBindGroupLayoutEntry[] {
  return bindings.map(({ access }, binding) => ({
    binding,
    visibility: COMPUTE_STAGE,
    buffer: { type: access === "read" ? "read-only-storage" : "storage" },
  }));
}

function familiesOf({ parts }: DispatchSpec): string {
  return parts.map(({ kernel }) => kernel.family).join(" and ");
}

/** Makes an empty cache. */
export function createPipelineCache({ device, features, faults }: Gpu): PipelineCache {
  const pipelines = new Map<string, Pipeline | undefined>();
  // Shared among pipelines: with the layout of the pipeline before, setting one costs less.
  const layouts = new Map<string, Layouts>();
  let compiled = 0;
  const layoutsOf = (bindings: readonly BindingSpec[]): Layouts => {
    const key = bindings.map(({ access }) => access).join();
    const known = layouts.get(key);
    if (known !== undefined) return known;
    const most = device.limits.maxStorageBuffersPerShaderStage;
    if (bindings.length > most) {
      throw new OutriderError(
        `at most ${most} bindings for a kernel, where large arrays take several`,
        `${bindings.length} bindings`,
        "split the function, use a packed weight type or fewer rows, or the Wasm backend",
      );
    }
    const group = device.createBindGroupLayout({ entries: layoutEntries(bindings) });
    const made = { group, pipeline: device.createPipelineLayout({ bindGroupLayouts: [group] }) };
    layouts.set(key, made);
    return made;
  };
  const compile = (spec: DispatchSpec, { code, bindings, groups }: Shader): Pipeline => {
    const { group: layout, pipeline: pipelineLayout } = layoutsOf(bindings);
    const pipeline = faults.watch(
      "validation",
      `a shader for ${familiesOf(spec)} that compiles`,
      () =>
        device.createComputePipeline({
          layout: pipelineLayout,
          compute: { module: device.createShaderModule({ code }), entryPoint: "main" },
        }),
    );
    compiled++;
    const x = Math.min(groups, device.limits.maxComputeWorkgroupsPerDimension);
    return { pipeline, layout, x, y: Math.ceil(groups / x) };
  };
  return {
    get(spec) {
      const key = stableJson(spec);
      const known = pipelines.get(key);
      if (known !== undefined || pipelines.has(key)) return known;
      const shader = generateShader(spec, features);
      const made = shader.groups === 0 ? undefined : compile(spec, shader);
      pipelines.set(key, made);
      return made;
    },
    get compiled() {
      return compiled;
    },
  };
}
