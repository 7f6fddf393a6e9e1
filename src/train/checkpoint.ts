/**
 * Checkpoints: a training state and the step it belongs to, in one file that is replaced at once.
 *
 * @module
 */
import type { HostArray } from "../core/dtype.ts";
import { OutriderError } from "../core/errors.ts";
import { type HostTensor, hostTensor } from "../core/host_tensor.ts";
import { sameShape, shapeText } from "../core/shape.ts";
import { leavesWithPaths, mapTree } from "../core/tree.ts";
import { type ByteSource, fileSource } from "../io/bytes.ts";
import { readSafetensors, writeSafetensors } from "../io/safetensors.ts";
import type { SafetensorsTensor } from "../io/safetensors_types.ts";
import { type Device, read, releaseTree, upload } from "../runtime/device.ts";
import { type DeviceArray, isDeviceArray } from "../runtime/device_array.ts";

/** What a checkpoint says besides the arrays. */
export interface CheckpointInfo {
  /** Steps done. */
  readonly step: number;
  /** A text that must be equal when the run goes on: sizes, data, seed, schedule. */
  readonly recipe: string;
}

const CURE = "delete the checkpoint and start again";

/** Writes every array of a training state, and how far it is, atomically. */
export async function saveCheckpoint(
  path: string,
  state: unknown,
  { step, recipe }: CheckpointInfo,
): Promise<void> {
  const tensors = [];
  for (const { path: name, leaf } of leavesWithPaths(state, isDeviceArray)) {
    tensors.push({ name, shape: leaf.shape, ...encoded(await read(leaf)) });
  }
  await writeSafetensors(path, {
    metadata: new Map([["step", `${step}`], ["recipe", recipe]]),
    tensors,
  });
}

function encoded(values: HostArray): { type: "F32" | "I32"; bytes: Uint8Array<ArrayBuffer> } {
  const bytes = new Uint8Array(values.byteLength);
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return { type: values instanceof Float32Array ? "F32" : "I32", bytes };
}

/** A restored state and the number of steps it has seen. */
export interface Restored<State> {
  /** The state on the device. */
  readonly state: State;
  /** Steps that it has seen. */
  readonly step: number;
}

/**
 * Reads a checkpoint into a state of the same structure, which dies.
 *
 * @returns undefined where there is no file
 * @throws OutriderError where the checkpoint is of another recipe, or damaged
 */
export async function loadCheckpoint<State>(
  device: Device,
  path: string,
  fresh: State,
  recipe: string,
): Promise<Restored<State> | undefined> {
  const arrays: DeviceArray[] = [];
  const source = await openIfThere(path).catch((error) => {
    releaseTree(fresh);
    throw error;
  });
  if (source === undefined) return undefined;
  try {
    const { metadata, tensors } = await readSafetensors(source);
    const found = metadata.get("recipe") ?? "";
    if (found !== recipe) throw otherRecipe(path, recipe, found);
    const step = stepOf(metadata, path);
    const stored = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    for (const { path: name, leaf } of leavesWithPaths(fresh, isDeviceArray)) {
      arrays.push(upload(device, await readLeaf(source, stored.get(name), name, leaf)));
    }
    return { state: withArrays(fresh, arrays), step };
  } catch (error) {
    releaseTree(arrays);
    throw error;
  } finally {
    releaseTree(fresh);
    source.close();
  }
}

function stepOf(metadata: ReadonlyMap<string, string>, path: string): number {
  const written = metadata.get("step") ?? "none";
  if (/^\d{1,15}$/.test(written)) return Number(written);
  throw new OutriderError(`the number of steps done in ${path}`, written, CURE);
}

/** Names what two recipes differ in, where they are JSON objects, and else both as they are. */
function otherRecipe(path: string, wanted: string, found: string): OutriderError {
  const [a, b] = [fieldsOf(wanted), fieldsOf(found)];
  const names = [...new Set([...a.keys(), ...b.keys()])].filter((name) =>
    a.get(name) !== b.get(name)
  );
  const list = (fields: ReadonlyMap<string, string>): string =>
    names.map((name) => `${name} ${fields.get(name) ?? "none"}`).join(", ");
  return new OutriderError(
    `a checkpoint with ${list(a)}`,
    `one with ${list(b)} in ${path}`,
    "run with the options of the first run, or name another folder",
  );
}

function fieldsOf(recipe: string): ReadonlyMap<string, string> {
  try {
    const parsed: unknown = JSON.parse(recipe);
    if (typeof parsed === "object" && parsed !== null) {
      return new Map(Object.entries(parsed).map(([name, value]) => [name, JSON.stringify(value)]));
    }
  } catch {
    // A recipe may be any text.
  }
  return new Map([["the recipe", recipe]]);
}

/** One array of a checkpoint, which must be what the state has in its place. */
async function readLeaf(
  source: ByteSource,
  stored: SafetensorsTensor | undefined,
  name: string,
  { shape, type }: DeviceArray,
): Promise<HostTensor> {
  const wanted = type === "i32" ? "I32" : "F32";
  if (stored === undefined || stored.type !== wanted || !sameShape(stored.shape, shape)) {
    throw new OutriderError(
      `${name} ${wanted}${shapeText(shape)} in ${source.name}`,
      stored === undefined ? "none" : `${stored.type}${shapeText(stored.shape)}`,
      CURE,
    );
  }
  const bytes = new Uint8Array(await source.read(stored.offset, stored.byteLength));
  const values = type === "i32" ? new Int32Array(bytes.buffer) : new Float32Array(bytes.buffer);
  return hostTensor(values, shape);
}

/** The tree with other arrays at its leaves; arrays replace arrays, so the type stays. */
function withArrays<T>(tree: T, arrays: readonly DeviceArray[]): T;
function withArrays(tree: unknown, arrays: readonly DeviceArray[]): unknown {
  let next = 0;
  return mapTree(tree, isDeviceArray, () => arrays[next++]);
}

/** The file, or undefined where there is none; what is there but no file is an error. */
async function openIfThere(path: string): Promise<ByteSource | undefined> {
  try {
    await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
  }
  return await fileSource(path);
}
