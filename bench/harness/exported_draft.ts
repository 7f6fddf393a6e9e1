/**
 * A draft as other engines take it: a GGUF file with the target's whole vocabulary.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { wasmBackend } from "@outrider/outrider/backends/wasm";
import {
  expandDraft,
  findKnownDraft,
  type ModelFile,
  openDraftFile,
  openModel,
  writeGgufModel,
} from "@outrider/outrider/io";
import { createDevice } from "@outrider/outrider/runtime";
import { ownUnitDirection } from "@outrider/outrider/train";
import { benchCache } from "./install.ts";

/** An exported draft. */
export interface ExportedDraft {
  readonly path: string;
  readonly bytes: number;
}

/** How matrices of an exported draft are stored. */
export type DraftFormat = "F16" | "Q8_0" | "F32";

function checkHash(target: ModelFile, path: string, hash: string): void {
  if (hash === target.tokenizer.hash) return;
  throw new OutriderError(`a draft of ${target.path}`, `another target's in ${path}`, "name it");
}

/** Writes a draft file as GGUF into the cache folder; tokens outside share their probability. */
async function exportDraft(path: string, target: ModelFile, format: DraftFormat): Promise<string> {
  const draft = await openDraftFile(path);
  const device = createDevice(wasmBackend({ threads: 1 }));
  try {
    checkHash(target, path, draft.tokenizerHash);
    await Deno.mkdir(`${benchCache()}/models`, { recursive: true });
    const out = `${benchCache()}/models/exported-draft.${format}.gguf`;
    const tokenizer = target.metadata;
    const whole = expandDraft(draft, { unit: await ownUnitDirection(device, draft) });
    await writeGgufModel(out, { name: draft.name, tokenizer, ...whole, format });
    return out;
  } finally {
    device.close();
    draft.close();
  }
}

/** The GGUF file of a draft file, of `auto`, or a GGUF file as it is. */
export async function exportedDraft(
  name: string,
  target: ModelFile,
  format: DraftFormat,
): Promise<ExportedDraft> {
  const draft = name === "auto" ? (await findKnownDraft(target.tokenizer.hash)).path : name;
  if (/\.safetensors$/.test(draft)) {
    const path = await exportDraft(draft, target, format);
    return { path, bytes: (await Deno.stat(path)).size };
  }
  const file = await openModel(draft);
  file.close();
  checkHash(target, draft, file.tokenizer.hash);
  return { path: draft, bytes: (await Deno.stat(draft)).size };
}
