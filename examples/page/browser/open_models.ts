/**
 * From bytes to models on a device: the target, and the draft that is offered for it.
 *
 * @module
 */
import {
  type DraftOnDevice,
  type LanguageModel,
  type LlamaCache,
  llamaModel,
  type ModelOnDevice,
  type PrefixCache,
  rememberPrefix,
  rememberPrefixOnDevice,
} from "@outrider/outrider/decode";
import {
  blobSource,
  loadLlama,
  openGgufModel,
  parseKnownDrafts,
  readDraftFile,
  type StoredWeights,
  type Tokenizer,
  type WeightType,
} from "@outrider/outrider/io";
import { parameterCount, type TrimmedVocabulary } from "@outrider/outrider/nn";
import { type Device, uploadsTo } from "@outrider/outrider/runtime";
import type { ModelFacts, OpenedFacts } from "./protocol.ts";
import { fetchFile } from "./static_files.ts";

/** The model that comes with the page. */
const EMBEDDED = { path: "models/embedded.gguf", name: "embedded model" };
const DRAFTS = "drafts/index.json";
/** Most positions that a new cache has room for; it grows where a text becomes longer. */
const FIRST_SLOTS = 512;

/** A model for one side. */
export interface SideModel {
  readonly model: LanguageModel<PrefixCache<LlamaCache>>;
  /** The same for decoders that stay on the device, where that has a queue of its own. */
  readonly onDevice: ModelOnDevice | undefined;
}

/** A model that answers. */
export interface Target {
  readonly tokenizer: Tokenizer;
  /** One model for each side: both run on the same weights, and each remembers its own text. */
  readonly sides: { readonly plain: SideModel; readonly speculative: SideModel };
  readonly facts: OpenedFacts["model"];
}

/** A model that runs ahead. */
export interface DraftModel {
  readonly model: LanguageModel<LlamaCache>;
  /** The same for decoders that stay on the device. */
  readonly onDevice: DraftOnDevice;
  /** Which of the target's tokens its classes are, where it is trimmed. */
  readonly vocabulary: TrimmedVocabulary | undefined;
  readonly facts: ModelFacts;
}

/** Loads weights; the worker ends with its models, so that nothing gives them back. */
async function place(
  device: Device,
  { config, tensors }: StoredWeights,
  weights: WeightType,
): Promise<ModelOnDevice> {
  const parameters = await loadLlama({ config, tensors }, weights, uploadsTo(device));
  const firstSlots = Math.min(FIRST_SLOTS, config.contextLength);
  return { device, config, parameters, firstSlots };
}

function sideOf(placed: ModelOnDevice): SideModel {
  return {
    model: rememberPrefix(llamaModel(placed)),
    onDevice: placed.device.name === "webgpu" ? rememberPrefixOnDevice(placed) : undefined,
  };
}

/** Opens the file that a person chose, or the embedded model. */
export async function openTarget(
  device: Device,
  chosen: File | undefined,
  weights: WeightType,
): Promise<Target> {
  const name = chosen?.name ?? EMBEDDED.name;
  const model = await openGgufModel(blobSource(chosen ?? await fetchFile(EMBEDDED.path), name));
  const { config, tokenizer } = model;
  const placed = await place(device, model, weights);
  const { layers, contextLength } = config;
  return {
    tokenizer,
    sides: { plain: sideOf(placed), speculative: sideOf(placed) },
    facts: { name, parameters: parameterCount(config), layers, contextLength },
  };
}

/** Opens the draft beside the page that serves this tokenizer; undefined where there is none. */
export async function openDraft(
  device: Device,
  { hash }: Tokenizer,
  weights: WeightType,
): Promise<DraftModel | undefined> {
  const list = await (await fetchFile(DRAFTS)).text();
  const known = parseKnownDrafts(list, new URL(DRAFTS, self.location.href));
  // Drafts that only work inside their target are of no use here.
  const models = known.filter(({ tokenizerHash, kind }) =>
    tokenizerHash === hash && kind === "model"
  );
  const found = models.find(({ preferred }) => preferred) ?? models[0];
  if (found === undefined) return undefined;
  const draft = await readDraftFile(blobSource(await fetchFile(found.path), found.name));
  const placed = await place(device, draft, weights);
  const { vocabulary } = draft;
  return {
    model: llamaModel(placed),
    onDevice: rememberPrefixOnDevice({ ...placed, vocabulary }),
    vocabulary,
    facts: { name: found.name, parameters: parameterCount(draft.config) },
  };
}
