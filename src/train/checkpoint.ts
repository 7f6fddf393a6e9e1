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
import { removeTemporaries } from "../io/atomic_write.ts";
import { type ByteSource, fileSource } from "../io/bytes.ts";
import { readSafetensors, writeSafetensors } from "../io/safetensors.ts";
import type { SafetensorsTensor } from "../io/safetensors_types.ts";
import { type Device, read, releaseTree, upload } from "../runtime/device.ts";
import { type DeviceArray, isDeviceArray } from "../runtime/device_array.ts";
import { readProgress, type RunProgress } from "./run_progress.ts";

/** What a checkpoint says besides the arrays. */
export interface CheckpointInfo {
  /** How far the run is: steps done, and the place in the data. */
  readonly progress: RunProgress;
  /** The steps that the run was to have. */
  readonly totalSteps: number;
  /** A text that must be equal when the run goes on: sizes, data, seed, schedule. */
  readonly recipe: string;
}

const CURE = "delete the checkpoint and start again";

/**
 * Writes every array of a training state, and how far it is: the checkpoint before it stays until
 * this one is on the disk. What an earlier process left of its last attempt goes.
 */
export async function saveCheckpoint(
  path: string,
  state: unknown,
  { progress, totalSteps, recipe }: CheckpointInfo,
): Promise<void> {
  const tensors = [];
  for (const { path: name, leaf } of leavesWithPaths(state, isDeviceArray)) {
    tensors.push({ name, shape: leaf.shape, ...encoded(await read(leaf)) });
  }
  await writeSafetensors(path, {
    metadata: new Map([
      ["progress", JSON.stringify(progress)],
      ["totalSteps", `${totalSteps}`],
      ["recipe", recipe],
    ]),
    tensors,
  });
  await removeTemporaries(path);
}

function encoded(values: HostArray): { type: "F32" | "I32"; bytes: Uint8Array<ArrayBuffer> } {
  const bytes = new Uint8Array(values.byteLength);
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return { type: values instanceof Float32Array ? "F32" : "I32", bytes };
}

/** What a checkpoint says besides the arrays; undefined where there is no file. */
export async function readCheckpointInfo(path: string): Promise<CheckpointInfo | undefined> {
  const source = await openIfThere(path);
  if (source === undefined) return undefined;
  try {
    return infoOf((await readSafetensors(source)).metadata, path);
  } finally {
    source.close();
  }
}

function infoOf(metadata: ReadonlyMap<string, string>, path: string): CheckpointInfo {
  const progress = readProgress(metadata.get("progress"), path);
  const written = metadata.get("totalSteps") ?? "none";
  if (!/^\d{1,15}$/.test(written)) {
    throw new OutriderError(`the number of all steps in ${path}`, written, CURE);
  }
  return { progress, totalSteps: Number(written), recipe: metadata.get("recipe") ?? "" };
}

/** A restored state and how far it is. */
export interface Restored<State> {
  /** The state on the device. */
  readonly state: State;
  /** How far it is. */
  readonly progress: RunProgress;
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
    const info = infoOf(metadata, path);
    checkRecipe(path, recipe, info.recipe);
    const stored = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    for (const { path: name, leaf } of leavesWithPaths(fresh, isDeviceArray)) {
      arrays.push(upload(device, await readLeaf(source, stored.get(name), name, leaf)));
    }
    return { state: withArrays(fresh, arrays), progress: info.progress };
  } catch (error) {
    releaseTree(arrays);
    throw error;
  } finally {
    releaseTree(fresh);
    source.close();
  }
}

/**
 * Refuses the checkpoint of another recipe, naming what differs where both are JSON objects.
 *
 * @throws OutriderError where the texts differ
 */
export function checkRecipe(path: string, wanted: string, found: string): void {
  if (found === wanted) return;
  const [a, b] = [fieldsOf(wanted), fieldsOf(found)];
  const names = [...new Set([...a.keys(), ...b.keys()])].filter((name) =>
    a.get(name) !== b.get(name)
  );
  const list = (fields: ReadonlyMap<string, string>): string =>
    names.map((name) => `${name} ${fields.get(name) ?? "none"}`).join(", ");
  throw new OutriderError(
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
