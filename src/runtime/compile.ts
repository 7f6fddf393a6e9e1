/**
 * `compile`: a function on tensors becomes a function on device arrays.
 *
 * It is traced once per shape signature; calls after that only bind memory and run.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { isTensor } from "../core/grad.ts";
import { describe } from "../core/host_tensor.ts";
import { input } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { leavesOf, leavesWithPaths, type MapLeaves, withLeaves } from "../core/tree.ts";
import type { Allocation, Executable } from "./backend.ts";
import type { Device } from "./device.ts";
import { arrayLabel, type DeviceArray, deviceArray, isDeviceArray } from "./device_array.ts";
import { type ResultBuilder, resultBuilder } from "./result.ts";
import type { Signed } from "./signature.ts";

/** The tree with device arrays in place of tensors. */
export type OnDevice<T> = MapLeaves<T, Tensor, DeviceArray>;

/** What `compile` is told besides the function. */
export interface CompileOptions {
  /** Names the function in errors. */
  readonly name?: string;
  /** Indices of arguments whose arrays are used up: their memory goes to outputs of equal size. */
  readonly donate?: readonly number[];
}

/** A traced and compiled shape signature. */
interface Compiled {
  readonly executable: Executable;
  /** The names of the outputs' arrays, for messages. */
  readonly labels: readonly string[];
  readonly result: ResultBuilder;
}

/** The arguments with graph inputs in place of arrays, named by their paths. */
function traced<Args extends readonly unknown[]>(args: OnDevice<Args>): {
  readonly inputs: Tensor[];
  readonly args: MapLeaves<OnDevice<Args>, DeviceArray, Tensor>;
} {
  const inputs = leavesWithPaths(args, isDeviceArray).map(({ path, leaf }) =>
    input(leaf.shape, leaf.type, path)
  );
  return { inputs, args: withLeaves(args, isDeviceArray, inputs) };
}

function donatedPlaces(signed: readonly Signed[], donate: readonly number[]): number[] {
  let from = 0;
  return signed.flatMap(({ arrays }, i) => {
    const places = arrays.map((_, k) => from + k);
    from += arrays.length;
    return donate.includes(i) ? places : [];
  });
}

function runCompiled(
  device: Device,
  { executable, labels }: Compiled,
  inputs: readonly Allocation[],
  donated: readonly DeviceArray[],
  name: string,
): DeviceArray[] {
  const { outputPorts, donations } = executable.plan;
  const reserved: Allocation[] = [];
  const reserve = (bytes: number): Allocation => {
    const allocation = device.reserve(bytes);
    reserved.push(allocation);
    return allocation;
  };
  let outputs: Allocation[];
  try {
    outputs = outputPorts.map(({ bytes }, k) =>
      donations[k] < 0 ? reserve(bytes) : inputs[donations[k]]
    );
    executable.run(inputs, outputs);
  } catch (error) {
    reserved.forEach((allocation) => device.free(allocation));
    throw error;
  }
  // Donations die only now: whoever gave them can still release them after a failure.
  for (const array of donated) array.memory.take(name);
  device.countRun();
  return outputPorts.map(({ shape, type }, k) =>
    deviceArray(device, outputs[k], shape, type, labels[k])
  );
}

/**
 * Compiles a function from trees of tensors to a tree of tensors.
 *
 * The result takes the same trees with device arrays at their leaves. Numbers, strings and
 * booleans in the arguments are constants: another value traces anew. Donated arrays die.
 *
 * @throws OutriderError (when called) where an array is dead or a donation cannot be honoured
 * @example
 * ```ts
 * import { compile, createDevice, read, upload } from "@outrider/outrider/runtime";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { add, hostTensor, type Tensor } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const double = compile(device, (x: Tensor) => add(x, x));
 * const x = upload(device, hostTensor(new Float32Array([1, 2])));
 * assertEquals(await read(double(x)), new Float32Array([2, 4]));
 * ```
 */
export function compile<Args extends readonly unknown[], Out>(
  device: Device,
  f: (...args: Args) => Out,
  options: CompileOptions = {},
): (...args: OnDevice<Args>) => OnDevice<Out> {
  const name = options.name ?? (f.name === "" ? "a compiled function" : f.name);
  const cache = new Map<string, Compiled>();
  const { signer } = device;
  const donate = options.donate ?? [];
  const trace = (args: OnDevice<Args>, parts: readonly Signed[]): Compiled => {
    const { inputs, args: tensors } = traced<Args>(args);
    const result = callWith(f, tensors);
    const outputs = leavesOf(result, isTensor);
    return {
      executable: device.executable({ inputs, outputs }, donatedPlaces(parts, donate)),
      labels: outputs.map(({ type, shape }) => arrayLabel(type, shape)),
      result: resultBuilder(result, signer),
    };
  };
  return (...args) => {
    const parts = args.map((argument) => signer.sign(argument));
    const key = parts.map(({ signature }) => signature).join();
    const memory = parts.map((part) => part.memory());
    refuseRepeats(parts, memory, donate, name);
    const compiled = cache.get(key) ?? trace(args, parts);
    cache.set(key, compiled);
    const donated = parts.flatMap(({ arrays }, i) => donate.includes(i) ? arrays : []);
    return fill<Out>(compiled, runCompiled(device, compiled, memory.flat(), donated, name));
  };
}

/** A donated array must not be passed twice: its second reader would see it overwritten. */
function refuseRepeats(
  parts: readonly Signed[],
  memory: readonly (readonly Allocation[])[],
  donate: readonly number[],
  name: string,
): void {
  const once = new Set<Allocation>();
  let [least, most] = [Infinity, -Infinity];
  for (const i of donate) {
    for (const [place, allocation] of (memory[i] ?? []).entries()) {
      if (once.has(allocation)) throw repeated(parts[i].arrays[place], name);
      once.add(allocation);
      least = Math.min(least, allocation);
      most = Math.max(most, allocation);
    }
  }
  if (once.size === 0) return;
  for (const [i, allocations] of memory.entries()) {
    if (donate.includes(i)) continue;
    // Most weights lie beyond what is donated, and numbers are compared faster than looked up.
    const place = allocations.findIndex((one) => one >= least && one <= most && once.has(one));
    if (place >= 0) throw repeated(parts[i].arrays[place], name);
  }
}

function repeated({ type, shape }: DeviceArray, name: string): OutriderError {
  return new OutriderError(
    `a donated array once among the arguments of ${name}`,
    `${describe(type, shape)} twice`,
    "copy it, or do not donate it",
  );
}

/**
 * Calls the traced function. Exchanging tensors for arrays and arrays for tensors gives the
 * original argument types back, which the mapped types cannot show: one overload states it.
 */
function callWith<Args extends readonly unknown[], Out>(
  f: (...args: Args) => Out,
  args: MapLeaves<OnDevice<Args>, DeviceArray, Tensor>,
): Out;
function callWith(f: (...args: unknown[]) => unknown, args: readonly unknown[]): unknown {
  return f(...args);
}

/** The traced result with device arrays at its leaves; the type is that of the function's result. */
function fill<Out>(compiled: Compiled, arrays: readonly DeviceArray[]): OnDevice<Out>;
function fill({ result }: Compiled, arrays: readonly DeviceArray[]): unknown {
  return result(arrays);
}
