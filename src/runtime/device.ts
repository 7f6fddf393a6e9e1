/**
 * A device: a backend with its plan cache and its counters.
 *
 * @module
 */
import { ELEMENT_BYTES, type HostArray, isPacked } from "../core/dtype.ts";
import { OutriderError } from "../core/errors.ts";
import {
  type DenseHostTensor,
  describe,
  type HostTensor,
  hostTensor,
  isHostTensor,
} from "../core/host_tensor.ts";
import { sizeOf } from "../core/shape.ts";
import { leavesOf, type MapLeaves, mapTree, withLeaves } from "../core/tree.ts";
import { type Graph, simplifiedGraph } from "../plan/graph.ts";
import { planSimplified } from "../plan/make_plan.ts";
import type { Allocation, Backend, Executable } from "./backend.ts";
import { type DeviceArray, deviceArray, isDeviceArray, type Keeper } from "./device_array.ts";
import { createSigner, type Signer } from "./signature.ts";

/** What a device has done and holds. */
export interface Counters {
  /** Arrays that are alive. */
  readonly liveSlots: number;
  /** Bytes that they take. */
  readonly liveBytes: number;
  /** Plans that were compiled; a plan found in the cache does not count. */
  readonly compiles: number;
  /** Plans that were run. */
  readonly runs: number;
}

/** A backend, ready for work. */
export interface Device extends Keeper {
  /** The backend's name. */
  readonly name: string;
  /** The waist below; only the runtime calls it. */
  readonly backend: Backend;
  /** What it knows of arguments; only the runtime calls it. */
  readonly signer: Signer;
  /** Reserves memory and counts it. */
  reserve(bytes: number): Allocation;
  /** The executable of a graph, from the cache where an equal one was compiled before. */
  executable(graph: Graph, donated: readonly number[]): Executable;
  /** Counts a run. */
  countRun(): void;
  /** What the device has done and holds. */
  counters(): Counters;
  /** Gives everything back; live arrays die with the device. */
  close(): void;
}

/**
 * Makes a device of a backend.
 *
 * @example
 * ```ts
 * import { createDevice, read, upload } from "@outrider/outrider/runtime";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { hostTensor } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * using array = upload(device, hostTensor(new Float32Array([1, 2])));
 * assertEquals(await read(array), new Float32Array([1, 2]));
 * ```
 */
export function createDevice(backend: Backend): Device {
  const sizes = new Map<Allocation, number>();
  const executables = new Map<string, Executable>();
  const signer = createSigner();
  let [liveBytes, compiles, runs] = [0, 0, 0];
  return {
    name: backend.name,
    backend,
    signer,
    arrayDied: () => signer.arrayDied(),
    reserve(bytes) {
      const allocation = backend.allocate(bytes);
      sizes.set(allocation, bytes);
      liveBytes += bytes;
      return allocation;
    },
    free(allocation) {
      liveBytes -= sizes.get(allocation) ?? 0;
      if (sizes.delete(allocation)) backend.release(allocation);
    },
    executable(graph, donated) {
      const simple = simplifiedGraph(graph, donated);
      const known = executables.get(simple.hash);
      if (known !== undefined) return known;
      const made = backend.prepare(planSimplified(simple));
      compiles++;
      executables.set(simple.hash, made);
      return made;
    },
    countRun() {
      runs++;
    },
    counters: () => ({ liveSlots: sizes.size, liveBytes, compiles, runs }),
    close() {
      for (const executable of executables.values()) executable.release();
      executables.clear();
      for (const allocation of sizes.keys()) backend.release(allocation);
      sizes.clear();
      liveBytes = 0;
      backend.close();
    },
  };
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * Copies a host tensor to a device.
 *
 * @example
 * ```ts
 * import { createDevice, read, upload } from "@outrider/outrider/runtime";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { hostTensor } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const array = upload(device, hostTensor(Int32Array.of(1, 2)));
 * assertEquals([array.shape, array.type], [[2], "i32"]);
 * assertEquals(await read(array), Int32Array.of(1, 2));
 * ```
 */
export function upload(device: Device, tensor: HostTensor): DeviceArray {
  const allocation = device.reserve(tensor.data.byteLength);
  device.backend.write(allocation, bytesOf(tensor.data), 0);
  return deviceArray(device, allocation, tensor.shape, tensor.type);
}

/**
 * Copies a tree of host tensors to a device.
 *
 * @example
 * ```ts
 * import { createDevice, releaseTree, uploadTree } from "@outrider/outrider/runtime";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { hostTensor } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const tree = uploadTree(device, { weights: [hostTensor(Float32Array.of(1, 2))] });
 * assertEquals(tree.weights[0].shape, [2]);
 * releaseTree(tree);
 * assertEquals(device.counters().liveSlots, 0);
 * ```
 */
export function uploadTree<T>(device: Device, tree: T): MapLeaves<T, HostTensor, DeviceArray> {
  return mapTree(tree, isHostTensor, (tensor) => upload(device, tensor));
}

/** Gives back every array of a tree. */
export function releaseTree(tree: unknown): void {
  for (const array of leavesOf(tree, isDeviceArray)) array.release();
}

function deviceOf(array: DeviceArray): Device {
  if (isDevice(array.keeper)) return array.keeper;
  throw new OutriderError("an array of a device", "one of another keeper", "upload it to a device");
}

function isDevice(keeper: Keeper): keeper is Device {
  return "backend" in keeper;
}

/** The bytes of an array, where they are not shared. */
function roomIn(array: HostArray | undefined): Uint8Array<ArrayBuffer> | undefined {
  if (!(array?.buffer instanceof ArrayBuffer)) return undefined;
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/**
 * Copies elements of an array of a computed type back to the host: all, or `count` from `from`. The
 * memory of `room`, an earlier result that nobody needs any more, is used again where it fits.
 */
export async function read(
  array: DeviceArray,
  from = 0,
  count?: number,
  room?: HostArray,
): Promise<HostArray> {
  if (isPacked(array.type)) {
    throw new OutriderError(
      "an array of a computed type",
      describe(array.type, array.shape),
      "dequantize it on the device first",
    );
  }
  const wanted = count ?? sizeOf(array.shape) - from;
  if (from < 0 || from + wanted > sizeOf(array.shape)) {
    throw new OutriderError(
      `a range inside ${describe(array.type, array.shape)}`,
      `${wanted} elements from ${from}`,
      "read fewer elements",
    );
  }
  const bytes = await deviceOf(array).backend.read(
    array.memory.look(),
    from * ELEMENT_BYTES,
    wanted * ELEMENT_BYTES,
    roomIn(room),
  );
  const { buffer, byteOffset } = bytes;
  return array.type === "f32"
    ? new Float32Array(buffer, byteOffset, wanted)
    : new Int32Array(buffer, byteOffset, wanted);
}

/**
 * The elements of an array where they are, good until the array is released; undefined where the host
 * has to copy them with {@link read}. Whoever writes to them changes the array.
 *
 * @example
 * ```ts
 * import { createDevice, upload, view } from "@outrider/outrider/runtime";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { hostTensor } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * using array = upload(device, hostTensor(Int32Array.of(1, 2)));
 * assertEquals(view(array), Int32Array.of(1, 2));
 * ```
 */
export function view(array: DeviceArray): HostArray | undefined {
  const allocation = array.memory.look();
  const { backend } = deviceOf(array);
  if (isPacked(array.type) || backend.view === undefined) return undefined;
  const count = sizeOf(array.shape);
  const { buffer, byteOffset } = backend.view(allocation, 0, count * ELEMENT_BYTES);
  return array.type === "f32"
    ? new Float32Array(buffer, byteOffset, count)
    : new Int32Array(buffer, byteOffset, count);
}

/** Copies an array of a computed type back to the host, with its shape. */
export async function download(array: DeviceArray): Promise<DenseHostTensor> {
  return hostTensor(await read(array), array.shape);
}

/**
 * Copies a tree of arrays back to the host, with their shapes.
 *
 * @example
 * ```ts
 * import { createDevice, downloadTree, uploadTree } from "@outrider/outrider/runtime";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { hostTensor } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const tree = uploadTree(device, { bias: hostTensor(Float32Array.of(1, 2)) });
 * assertEquals((await downloadTree(tree)).bias.data, Float32Array.of(1, 2));
 * ```
 */
export async function downloadTree<T>(
  tree: T,
): Promise<MapLeaves<T, DeviceArray, DenseHostTensor>> {
  const contents: DenseHostTensor[] = [];
  for (const array of leavesOf(tree, isDeviceArray)) contents.push(await download(array));
  return withLeaves(tree, isDeviceArray, contents);
}
