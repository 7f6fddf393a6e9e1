/**
 * Compiled kernels by spec: each is generated and compiled once per backend.
 *
 * @module
 */
import { type Features, generateKernel, type Kernel } from "../../../kernels/wasm/mod.ts";
import { type KernelSpec, specKey } from "../../plan/kernel_spec.ts";

/** A kernel ready to be called, by a number that lasts as long as the cache. */
export interface CompiledKernel extends Omit<Kernel, "bytes"> {
  readonly run: WebAssembly.ExportValue;
  /** The i32 parameters of its function. */
  readonly parameters: number;
}

/** Finds or makes compiled kernels. */
export interface KernelCache {
  get(spec: KernelSpec, args: number): CompiledKernel;
  /** Kernels compiled so far. */
  readonly size: number;
}

/** A cache of kernels that run on one memory. */
export function createKernelCache(memory: WebAssembly.Memory, features: Features): KernelCache {
  const kernels = new Map<string, CompiledKernel>();
  return {
    get(spec, args) {
      const key = specKey(spec);
      const known = kernels.get(key);
      if (known !== undefined) return known;
      const { bytes, ...kernel } = generateKernel(spec, features);
      const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
      const compiled = { ...kernel, run: instance.exports.run, parameters: args + 3 };
      kernels.set(key, compiled);
      return compiled;
    },
    get size() {
      return kernels.size;
    },
  };
}
