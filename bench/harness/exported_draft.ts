/**
 * A draft as other engines take it: a GGUF file with the target's whole vocabulary.
 *
 * @module
 */
import { wasmBackend } from "@outrider/outrider/backends/wasm";
import {
  type DraftFile,
  expandDraft,
  type ModelFile,
  openDraftFor,
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

/** The weights with the target's vocabulary, in which tokens outside share their probability. */
async function whole(draft: DraftFile): Promise<ReturnType<typeof expandDraft>> {
  if (draft.vocabulary === undefined) return expandDraft(draft);
  const device = createDevice(wasmBackend({ threads: 1 }));
  try {
    return expandDraft(draft, { unit: await ownUnitDirection(device, draft) });
  } finally {
    device.close();
  }
}

/** Writes a draft as GGUF into the cache folder; a GGUF file stays as it is. */
export async function exportedDraft(
  name: string,
  target: ModelFile,
  format: DraftFormat,
): Promise<ExportedDraft> {
  const draft = await openDraftFor(target, name);
  const path = /\.gguf$/.test(draft.path)
    ? draft.path
    : `${benchCache()}/models/exported-draft.${format}.gguf`;
  try {
    if (path !== draft.path) {
      await Deno.mkdir(`${benchCache()}/models`, { recursive: true });
      const content = { name: draft.name, tokenizer: target.metadata, ...await whole(draft) };
      await writeGgufModel(path, { ...content, format });
    }
  } finally {
    draft.close();
  }
  return { path, bytes: (await Deno.stat(path)).size };
}
