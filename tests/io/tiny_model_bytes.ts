/** The tiny model as the bytes of a GGUF file. */

import { memorySource } from "../../src/io/bytes.ts";
import { readGguf } from "../../src/io/gguf_reader.ts";
import { writeGgufModel } from "../../src/io/write_model.ts";
import { TINY_CONFIG, tinyTokenizer, tinyWeights } from "./tiny_model.ts";

/** All bytes, and how many of them come before the tensors' data. */
export async function tinyModelBytes(): Promise<{
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headerLength: number;
}> {
  const path = await Deno.makeTempFile();
  const config = { ...TINY_CONFIG, layers: 1 };
  const weights = tinyWeights(config);
  await writeGgufModel(path, {
    name: "tiny",
    config,
    tokenizer: tinyTokenizer(),
    readWeight: (name) => weights.get(name) ?? new Float32Array(0),
    format: "Q8_0",
  });
  const bytes = await Deno.readFile(path);
  await Deno.remove(path);
  const { tensors } = await readGguf(memorySource(bytes));
  return { bytes, headerLength: Math.min(...tensors.map(({ offset }) => offset)) };
}
