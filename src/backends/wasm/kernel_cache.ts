/**
 * Compiled kernels by spec: each is generated and compiled once per backend.
 *
 * @module
 */
import { type Features, generateKernel, type Kernel } from "../../../kernels/wasm/mod.ts";
import { type KernelSpec, specKey } from "../../plan/kernel_spec.ts";
import type { LinearMemory } from "./memory.ts";

/** A kernel ready to be called. */
export interface CompiledKernel extends Omit<Kernel, "bytes"> {
  readonly run: WebAssembly.ExportValue;
  /** The i32 parameters of its function. */
  readonly parameters: number;
  /** Its number, which lasts as long as the cache. */
  readonly id: number;
  /** Where workers find the module's bytes; 0 where there are no workers. */
  readonly address: number;
  readonly byteLength: number;
}

/** Finds or makes compiled kernels. */
export interface KernelCache {
  get(spec: KernelSpec, args: number): CompiledKernel;
  /** Kernels compiled so far. */
  readonly size: number;
}

/** Copies bytes into the memory; gives their address. */
export function storeBytes(linear: LinearMemory, bytes: Uint8Array): number {
  const address = linear.allocator.allocate(bytes.length);
  linear.bytes(address, bytes.length).set(bytes);
  return address;
}

/** A cache of kernels that up to `threads` threads run on one memory. */
export function createKernelCache(
  linear: LinearMemory,
  features: Features,
  threads: number,
): KernelCache {
  const kernels = new Map<string, CompiledKernel>();
  return {
    get(spec, args) {
      const key = specKey(spec);
      const known = kernels.get(key);
      if (known !== undefined) return known;
      const { bytes, ...kernel } = generateKernel(spec, features);
      const imports = { env: { memory: linear.memory } };
      const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
      const compiled = {
        ...kernel,
        run: instance.exports.run,
        parameters: args + 3,
        id: kernels.size,
        address: threads > 1 ? storeBytes(linear, bytes) : 0,
        byteLength: bytes.length,
      };
      kernels.set(key, compiled);
      return compiled;
    },
    get size() {
      return kernels.size;
    },
  };
}
