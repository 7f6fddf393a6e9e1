/** The tiny model as the bytes of a GGUF file. */

import { memorySource } from "../../src/io/bytes.ts";
import { readGguf } from "../../src/io/gguf_reader.ts";
import { TINY_CONFIG, writeTiny } from "./tiny_model.ts";

/** All bytes, and how many of them come before the tensors' data. */
export async function tinyModelBytes(): Promise<{
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headerLength: number;
}> {
  const path = await Deno.makeTempFile();
  await writeTiny(path, { ...TINY_CONFIG, layers: 1 }, "Q8_0");
  const bytes = await Deno.readFile(path);
  await Deno.remove(path);
  const { tensors } = await readGguf(memorySource(bytes));
  return { bytes, headerLength: Math.min(...tensors.map(({ offset }) => offset)) };
}
