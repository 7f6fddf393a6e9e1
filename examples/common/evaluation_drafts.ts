/**
 * The drafts of an evaluation, and decoders with them.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import type { CommandContext } from "@outrider/outrider/cli";
import { generate, limit, llamaModel } from "@outrider/outrider/decode";
import type {
  DecoderPlaces,
  DraftIdentity,
  EvaluationDecoding,
  Writer,
} from "@outrider/outrider/evaluate";
import { openAnyDraftFor, type WeightType } from "@outrider/outrider/io";
import { earlyExit, parameterCount } from "@outrider/outrider/nn";
import type { Device } from "@outrider/outrider/runtime";
import {
  type AnyDecoder,
  decoderOf,
  type DecoderOptions,
  isOnDevice,
  loadDraft,
  type LoadedDraft,
  namedParts,
} from "./decoding.ts";
import { type Heat, heatName } from "./evaluation_flags.ts";
import { findModel, type LoadedModel } from "./models.ts";
import { fingerprint } from "./recipe.ts";
import { samplingOf, type WarpOptions, warpsOf } from "./warps.ts";

/** A draft under the name that reports call it by. */
export interface NamedDraft {
  readonly identity: DraftIdentity;
  readonly loaded: LoadedDraft;
}

/** What a draft flag says: `NAME=MODEL` or `MODEL`. */
export interface DraftSpec {
  readonly name: string;
  readonly model: string;
}

/**
 * Reads the draft flags.
 *
 * @throws OutriderError where there are none, or two of one name
 */
export function draftSpecs(given: readonly string[]): DraftSpec[] {
  const specs = given.map((written): DraftSpec => {
    const [, name = written, model = written] = written.match(/^([^=/]+)=(.+)$/) ?? [];
    return { name, model };
  });
  const names = specs.map(({ name }) => name);
  if (names.length === 0) {
    throw new OutriderError("one or more --draft MODEL", "none", "name drafts, or --draft lookup");
  }
  if (new Set(names).size === names.length) return specs;
  throw new OutriderError("drafts of different names", names.join(", "), "write NAME=MODEL");
}

/** Where drafts run and what they are loaded with. */
export interface DraftSource {
  readonly device: Device;
  readonly dtype: WeightType;
  readonly target: LoadedModel;
  readonly context: Pick<CommandContext, "progress">;
}

/** Loads a draft: `lookup`, `none`, `self`, `self:LAYERS`, a model, or `lookup+` and a model. */
export async function openDraft(
  { name, model }: DraftSpec,
  { device, dtype, target, context }: DraftSource,
): Promise<NamedDraft> {
  const self = model.match(/^self(?::(\d+))?$/);
  if (self !== null) return selfDraft(name, device, target, self[1]);
  const loaded = await loadDraft(device, model, dtype, target, context);
  const isFile = loaded.kind !== "lookup" && loaded.kind !== "none";
  const identity: DraftIdentity = {
    name,
    kind: loaded.kind === "model" && loaded.behind === "lookup" ? "lookup+model" : loaded.kind,
    fingerprint: isFile ? await draftFingerprint(namedParts(model).model, target, context) : "",
    sizeRatio: loaded.size / target.size,
  };
  return { identity, loaded };
}

/** The target's own first layers; a quarter of them where the flag does not say. */
function selfDraft(
  name: string,
  device: Device,
  target: LoadedModel,
  written: string | undefined,
): NamedDraft {
  const { layers } = target.file.config;
  const count = written === undefined ? Math.max(1, Math.round(layers / 4)) : Number(written);
  const early = earlyExit(target.file.config, target.parameters, count);
  const { config, parameters } = early;
  return {
    identity: {
      name,
      kind: "self",
      fingerprint: `${count} layers`,
      sizeRatio: early.shareRead,
    },
    loaded: {
      kind: "model",
      model: llamaModel({ device, config, parameters }),
      parts: { device, config, parameters },
      size: parameterCount(config),
      // The weights are the target's, which gives them back itself.
      release: () => {},
    },
  };
}

/** Tells changed weights apart: of a file, or of all weights in a folder. */
async function draftFingerprint(
  model: string,
  target: LoadedModel,
  { progress }: DraftSource["context"],
): Promise<string> {
  const { file } = await openAnyDraftFor(target.file, model, (path) => findModel(path, progress));
  const { path } = file;
  file.close();
  const { isDirectory } = await Deno.stat(path);
  if (!isDirectory) return await fingerprint(path);
  const names = await Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  const files = names.filter((name) => name.endsWith(".safetensors")).toSorted();
  return (await Promise.all(files.map((name) => fingerprint(`${path}/${name}`)))).join(" ");
}

/** What decoders are made of, beside drafts. */
export interface DecodingOptions extends Omit<WarpOptions, "temperature" | "topP"> {
  readonly gamma: readonly (number | "auto")[];
  readonly verify: readonly ("block" | "token")[];
  readonly maxTokens: number;
}

/** Plain decoding. */
const NOTHING: LoadedDraft = { kind: "none", size: 0 };

/** What decodes on the device by itself and what on the host; undefined where all is on the host. */
export function placesOfDecoders(
  target: Pick<LoadedModel, "parts">,
  drafts: readonly NamedDraft[],
  options: Omit<WarpOptions, "temperature" | "topP">,
): DecoderPlaces | undefined {
  const sampling = samplingOf({ ...options, temperature: 0, topP: 1 });
  const plain = { name: "plain", loaded: NOTHING };
  const all = [plain, ...drafts.map(({ identity: { name }, loaded }) => ({ name, loaded }))];
  const places = Map.groupBy(
    all,
    ({ loaded }) => isOnDevice(target, loaded, { sampling }) ? "device" : "host",
  );
  const names = (place: "device" | "host") => (places.get(place) ?? []).map(({ name }) => name);
  const device = names("device");
  return device.length === 0 ? undefined : { device, host: names("host") };
}

/** One way to choose tokens, with all drafts in all settings. */
export function decodingWith<Cache>(
  heat: Heat,
  target: LoadedModel<Cache>,
  drafts: readonly NamedDraft[],
  options: DecodingOptions,
): EvaluationDecoding {
  const { gamma, verify, maxTokens } = options;
  const greedy = heat.temperature === 0;
  const warps = warpsOf({ ...options, ...heat });
  const writer = (draft: LoadedDraft, settings: Pick<DecoderOptions, "gamma" | "verify">): Writer =>
    writerOf(() => decoderOf(target, draft, { ...settings, ...warps, maxTokens }));
  // A greedy draft stands as far as the target agrees, whatever the rule.
  const rules = greedy ? verify.slice(0, 1) : verify;
  const arms = drafts.flatMap(({ identity, loaded }) =>
    (identity.kind === "none" ? [0] : gamma).flatMap((length) =>
      (identity.kind === "none" ? rules.slice(0, 1) : rules).map((rule) => ({
        draft: identity,
        gamma: length,
        verify: rule,
        write: writer(loaded, { gamma: length, verify: rule }),
      }))
    )
  );
  const plain = writer(NOTHING, { gamma: 0, verify: rules[0] });
  return { name: heatName(heat), greedy, plain, arms };
}

/** Decodes with a decoder that is made when it is first needed: `auto` measures costs. */
export function writerOf(make: () => Promise<AnyDecoder>): Writer {
  let made: Promise<AnyDecoder> | undefined;
  return async (prompt, { key, signal, most }) => {
    made ??= make();
    const decoder = await made;
    return await decoder.run((inner) =>
      most === undefined
        ? generate(inner, prompt, { key, signal })
        : generate(limit(inner, most), prompt, { key, signal })
    );
  };
}
