/**
 * Models of commands: from a name on the command line to a language model on a device.
 *
 * @module
 */
import type { CommandContext } from "@outrider/outrider/cli";
import { choice, requiredText } from "@outrider/outrider/cli";
import {
  CACHE_TYPES,
  type CacheType,
  type LlamaCache,
  llamaModel,
  type ModelOnDevice,
  type RememberingTreeModel,
  rememberPrefixOnDevice,
  rememberTreePrefix,
  type TreeLanguageModel,
  type TreePrefixCache,
} from "@outrider/outrider/decode";
import { loadLlama, type ModelFile, openModel, resolveModel } from "@outrider/outrider/io";
import { WEIGHT_TYPES, type WeightType } from "@outrider/outrider/io";
import { type LlamaParameters, parameterCount } from "@outrider/outrider/nn";
import { type Device, type DeviceArray, releaseTree, uploadsTo } from "@outrider/outrider/runtime";

/** Flags that name a target and how its weights are kept. */
export const targetFlags = {
  target: requiredText({
    placeholder: "MODEL",
    help: "embedded, smollm2, a path, or a hub id such as owner/name",
  }),
  dtype: choice({
    of: WEIGHT_TYPES,
    default: "keep",
    help: "how weights are stored; keep is the file's own precision",
  }),
};

/** The flag of commands that keep keys and values of the target. */
export const cacheFlags = {
  cache: choice({
    of: CACHE_TYPES,
    default: "f32",
    help: "how the target's keys and values are kept; f16 takes half the memory",
  }),
};

/** How a model's numbers are kept. */
export interface StorageOptions {
  readonly dtype: WeightType;
  /** Keys and values; f32 where left out. */
  readonly cache?: CacheType;
}

/** A model on a device. */
export interface LoadedModel<Cache = LlamaCache> {
  readonly file: ModelFile;
  readonly parameters: LlamaParameters<DeviceArray>;
  readonly model: TreeLanguageModel<Cache>;
  /** What the model is made of, for decoders that stay on its device. */
  readonly parts: ModelOnDevice;
  /** The same weights as a model that keeps features for a drafter. */
  tapped(taps: readonly number[]): TappedModel<Cache>;
  /** How many parameters it has. */
  readonly size: number;
  /** Gives the weights back and closes the file. */
  release(): void;
}

/** A model that keeps features of its rows for a drafter. */
export interface TappedModel<Cache> {
  readonly model: TreeLanguageModel<Cache>;
  /** The cache with the features; undefined before the first pass. */
  readonly cacheOf: (cache: Cache) => LlamaCache | undefined;
}

/** Finds, opens and uploads a model; a download shows its progress. */
export async function loadModel(
  device: Device,
  name: string,
  { dtype, cache }: StorageOptions,
  { progress }: Pick<CommandContext, "progress">,
): Promise<LoadedModel> {
  const file = await openModel(await findModel(name, progress));
  const parameters = await loadLlama(file, dtype, uploadsTo(device));
  const { config } = file;
  const parts: ModelOnDevice = { device, config, parameters, cacheType: cache };
  return {
    file,
    parameters,
    model: llamaModel(parts),
    parts,
    tapped: (taps) => ({ model: llamaModel({ ...parts, taps }), cacheOf: (cache) => cache }),
    size: parameterCount(config),
    release: () => {
      releaseTree(parameters);
      file.close();
    },
  };
}

/** A loaded model that remembers its last text, as do those with features that it gives. */
export interface RememberingTarget extends LoadedModel<TreePrefixCache<LlamaCache>> {
  /** Releases what is kept of last texts. */
  forget(): void;
}

/** A model whose next text starts warm where it begins like the last one. */
export function remembering(target: LoadedModel): RememberingTarget {
  const model = rememberTreePrefix(target.model);
  const parts = rememberPrefixOnDevice(target.parts);
  const tapped = new Map<string, RememberingTreeModel<LlamaCache>>();
  return {
    ...target,
    model,
    parts,
    tapped: (taps) => {
      const key = taps.join();
      const known = tapped.get(key) ?? rememberTreePrefix(target.tapped(taps).model);
      tapped.set(key, known);
      return { model: known, cacheOf: ({ inner }) => inner };
    },
    forget: () => [model, parts, ...tapped.values()].forEach((one) => one.forget()),
  };
}

/** The path of a model, downloaded where necessary. */
export async function findModel(
  name: string,
  progress: CommandContext["progress"],
): Promise<string> {
  let bar: ReturnType<CommandContext["progress"]> | undefined;
  const path = await resolveModel(name, {
    onProgress: ({ what, done, total }) => {
      bar ??= progress({ label: what, unit: "bytes", total });
      bar.update(done);
    },
  });
  bar?.finish();
  return path;
}
