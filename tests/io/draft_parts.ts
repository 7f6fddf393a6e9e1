/** Draft files taken apart, to be changed and written again. */
import { assert, assertRejects } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { memorySource } from "../../src/io/bytes.ts";
import {
  readSafetensors,
  readSafetensorsBytes,
  type SafetensorsContent,
  writeSafetensors,
} from "../../src/io/mod.ts";

/** A draft file's parts, and the file with one of them changed. */
export interface DraftParts extends SafetensorsContent {
  readonly metadata: Map<string, string>;
  /** With another value of one of the metadata, or without it. */
  told(key: string, value: string | undefined): SafetensorsContent;
  /** With other sizes. */
  sized(changes: Readonly<Record<string, unknown>>): SafetensorsContent;
  /** With another trimmed vocabulary. */
  ids(...values: number[]): SafetensorsContent;
}

/** The parts of a written draft file. */
export async function partsOf(path: string): Promise<DraftParts> {
  const source = memorySource(await Deno.readFile(path));
  const file = await readSafetensors(source);
  const withBytes = file.tensors.map(async (tensor) => ({
    ...tensor,
    bytes: await readSafetensorsBytes(source, tensor),
  }));
  const metadata = new Map(file.metadata);
  const tensors = await Promise.all(withBytes);
  const told: DraftParts["told"] = (key, value) => {
    const changed = new Map(metadata);
    if (value === undefined) changed.delete(key);
    else changed.set(key, value);
    return { metadata: changed, tensors };
  };
  const config: Record<string, unknown> = JSON.parse(metadata.get("config") ?? "");
  return {
    metadata,
    tensors,
    told,
    sized: (changes) => told("config", JSON.stringify({ ...config, ...changes })),
    ids: (...values) => {
      const list = {
        name: "token_ids",
        shape: [values.length],
        type: "I32" as const,
        bytes: new Uint8Array(Int32Array.from(values).buffer),
      };
      return { metadata, tensors: tensors.map((it) => it.name === "token_ids" ? list : it) };
    },
  };
}

/** Asserts that a file of each content is refused in one line that has the given words. */
export async function assertRefused(
  path: string,
  cases: readonly (readonly [SafetensorsContent, string])[],
  open: (path: string) => Promise<unknown>,
): Promise<void> {
  for (const [content, message] of cases) {
    await writeSafetensors(path, content);
    const error = await assertRejects(() => open(path), OutriderError, message);
    assert(!error.message.includes("\n") && error.message.length < 500, error.message);
  }
}
