/**
 * Writes a draft for other engines: a GGUF file, or a folder as Hugging Face lays it out. A trimmed
 * draft is expanded to its target's vocabulary. For this one, a draft file, in which it stays as it is:
 * with 8-bit weights it has half of the bytes.
 *
 *     deno task export --target smollm2 --draft auto --format gguf --out out/export
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { choice, requiredText, runCommand, toggle } from "@outrider/outrider/cli";
import {
  type BlockDraftFile,
  type DraftContent,
  type DraftFile,
  type DraftFormat,
  expandDraft,
  type ModelFile,
  openAnyDraftFor,
  openModel,
  type TensorFormat,
  type WritableFormat,
  writeBlockDraftFile,
  writeDraftFile,
  writeGgufModel,
  writeModelFolder,
} from "@outrider/outrider/io";
import { type LlamaConfig, parameterCount } from "@outrider/outrider/nn";
import { ownUnitDirection } from "@outrider/outrider/train";
import { deviceFlags, type DeviceOptions, openDevice } from "./common/device.ts";
import { findModel } from "./common/models.ts";
import { makeFolder } from "./common/recipe.ts";

const flags = {
  target: requiredText({
    placeholder: "MODEL",
    help: "the draft's target, whose tokenizer it takes along",
  }),
  draft: requiredText({
    placeholder: "DRAFT|auto",
    help: "the draft's path, or the one that comes with the package for this target",
  }),
  format: choice({
    of: ["gguf", "hf", "draft"],
    default: "gguf",
    help: "gguf for llama.cpp, hf a folder for transformers, draft for this program (any draft)",
  }),
  weights: choice({
    of: ["keep", "f32", "f16", "q8"],
    default: "keep",
    help: "how matrices are stored; keep is as the draft has them",
  }),
  outside: choice({
    of: ["even", "tied"],
    default: "even",
    help:
      "what each token unknown to a trimmed draft gets of their probability: an even share, or, " +
      "tied, all of it",
  }),
  out: requiredText({ placeholder: "DIR", help: "the folder to write to" }),
  ...deviceFlags,
  json: toggle({ help: "print one JSON object" }),
};

type Weights = "keep" | "f32" | "f16" | "q8";
type FolderFormat = "F32" | "F16" | "BF16";

const FORMATS = { f32: "F32", f16: "F16", q8: "Q8_0" } as const;

/** How the draft itself stores its matrices: its embedding, or, where that is the target's, another. */
function storedFormat({ tensors }: Pick<DraftFile, "tensors">): TensorFormat {
  const embedding = tensors.get("embedding");
  const formats = Array.from(tensors.values(), ({ format }) => format);
  return embedding?.format ?? formats.find((format) => format !== "F32") ?? "F32";
}

const isFloat = (format: TensorFormat): format is FolderFormat =>
  format === "F32" || format === "F16" || format === "BF16";

/** What only some files can hold becomes F32, which loses nothing. */
function ggufFormat(draft: DraftFile, weights: Weights): WritableFormat {
  if (weights !== "keep") return FORMATS[weights];
  const format = storedFormat(draft);
  return isFloat(format) || format === "Q8_0" ? format : "F32";
}

function folderFormat(draft: DraftFile, weights: Weights): FolderFormat {
  if (weights === "q8") {
    const cure = "choose f16, or --format gguf";
    throw new OutriderError("weights that such a folder holds: keep, f32, f16", "q8", cure);
  }
  if (weights !== "keep") return FORMATS[weights];
  const format = storedFormat(draft);
  return isFloat(format) ? format : "F32";
}

/** The draft with the target's vocabulary. */
async function wholeDraft(
  draft: DraftFile,
  options: DeviceOptions & { readonly outside: "even" | "tied" },
): Promise<ReturnType<typeof expandDraft>> {
  if (draft.vocabulary === undefined || options.outside === "tied") return expandDraft(draft);
  const { device } = await openDevice(options);
  try {
    return expandDraft(draft, { unit: await ownUnitDirection(device, draft) });
  } finally {
    device.close();
  }
}

/** What is written, and where. */
interface Written {
  readonly out: string;
  readonly target: ModelFile;
  readonly draft: DraftFile;
  readonly whole: ReturnType<typeof expandDraft>;
  readonly weights: Weights;
}

async function writeGguf({ out, target, draft, whole, weights }: Written): Promise<string> {
  if (target.source !== "gguf") {
    throw new OutriderError(
      "a target in a GGUF file, whose tokenizer a GGUF file can take along",
      `the folder ${target.path}`,
      "name the target's GGUF file, or choose --format hf",
    );
  }
  const path = `${out}/draft.gguf`;
  const tokenizer = target.metadata;
  const format = ggufFormat(draft, weights);
  await writeGgufModel(path, { name: draft.name, tokenizer, ...whole, format });
  return path;
}

async function writeFolder({ out, target, draft, whole, weights }: Written): Promise<string> {
  const like = target.source === "gguf" ? target.metadata : target.path;
  await writeModelFolder(out, { like, ...whole, format: folderFormat(draft, weights) });
  return out;
}

/** How a draft file stores what the draft has; what it cannot hold becomes F32, which loses nothing. */
function draftFormat(draft: Pick<DraftFile, "tensors">, weights: Weights): DraftFormat {
  const format = weights === "keep" ? storedFormat(draft) : FORMATS[weights];
  return format === "F16" || format === "Q8_0" ? format : "F32";
}

/** What is the same in a draft file whatever its kind. */
function draftContent(
  draft: Pick<DraftFile, "name" | "path" | "tensors">,
  weights: Weights,
): Pick<DraftContent, "name" | "readWeight" | "format"> {
  const { name, path, tensors } = draft;
  const readWeight = async (weight: string): Promise<Float32Array> => {
    const values = await tensors.get(weight)?.readFloat32();
    if (values !== undefined) return values;
    throw new OutriderError(`${weight} in ${path}`, "none", "get the draft again");
  };
  return { name, readWeight, format: draftFormat(draft, weights) };
}

/** Writes the draft as it is, trimmed where it was trimmed. */
async function writeDraft(
  { out, target, draft, weights }: Omit<Written, "whole">,
): Promise<string> {
  const path = `${out}/draft.safetensors`;
  const { config, vocabulary } = draft;
  const tokenizerHash = target.tokenizer.hash;
  const content = { ...draftContent(draft, weights), config, tokenizerHash, vocabulary };
  await writeDraftFile(path, content);
  return path;
}

/** Writes a drafter of several places, which no other engine knows. */
async function writePlacesDraft(
  draft: BlockDraftFile,
  { out, format, weights }: {
    readonly out: string;
    readonly format: string;
    readonly weights: Weights;
  },
): Promise<string> {
  const { kind, config, tokenizerHash, vocabulary } = draft;
  if (format !== "draft") {
    throw new OutriderError(
      `a draft that other engines know for --format ${format}`,
      `a ${kind} drafter in ${draft.path}`,
      "choose --format draft",
    );
  }
  await makeFolder(out);
  const path = `${out}/${kind}-draft.safetensors`;
  const content = { ...draftContent(draft, weights), kind, config, tokenizerHash, vocabulary };
  await writeBlockDraftFile(path, content);
  return path;
}

/** What a command says of a file that it wrote. */
interface Exported {
  readonly path: string;
  readonly config: LlamaConfig;
  /** Where a trimmed draft was expanded. */
  readonly classes?: number;
}

async function exported(
  given: Omit<Written, "whole">,
  options: DeviceOptions & { readonly format: string; readonly outside: "even" | "tied" },
): Promise<Exported> {
  const { draft } = given;
  if (options.format === "draft") return { path: await writeDraft(given), config: draft.config };
  const whole = await wholeDraft(draft, options);
  const write = options.format === "gguf" ? writeGguf : writeFolder;
  const path = await write({ ...given, whole });
  return { path, config: whole.config, classes: draft.vocabulary?.classes };
}

await runCommand({
  name: "deno task export",
  summary:
    "Writes a draft as a GGUF file or a Hugging Face folder for other engines, or with other weights.",
  flags,
  examples: [
    "deno task export --target smollm2 --draft auto --format gguf --out out/export",
    "deno task export --target smollm2 --draft out/finetune/draft.safetensors --format hf " +
    "--out out/draft-hf",
    "deno task export --target smollm2 --draft auto --format draft --weights q8 --out out/q8",
  ],
}, async (options, context) => {
  const find = (name: string) => findModel(name, context.progress);
  const target = await openModel(await find(options.target));
  const { format } = options;
  const draft = await openAnyDraftFor(target, options.draft, find);
  try {
    if (draft.kind !== "model") {
      const path = await writePlacesDraft(draft.file, options);
      const { tensors, vocabulary: { classes, targetVocabulary: vocabulary } } = draft.file;
      const sizes = Array.from(
        tensors.values(),
        ({ shape }) => shape.reduce((size, extent) => size * extent, 1),
      );
      const parameters = sizes.reduce((sum, size) => sum + size, 0);
      context.print(`${path}: ${classes} classes, ${parameters} parameters\n`);
      return { path, format, vocabulary, classes, parameters };
    }
    await makeFolder(options.out);
    const written = await exported({ ...options, target, draft: draft.file }, options);
    const { path, config, classes } = written;
    const parameters = parameterCount(config);
    const origin = classes === undefined ? "" : `, expanded from ${classes} classes`;
    context.print(`${path}: ${config.vocabulary} tokens${origin}, ${parameters} parameters\n`);
    return { path, format, vocabulary: config.vocabulary, classes, parameters };
  } finally {
    draft.file.close();
    target.close();
  }
});
