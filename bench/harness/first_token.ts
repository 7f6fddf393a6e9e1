/**
 * A program as a user would write it: opens a chat model, and says as JSON when the answer's first
 * text is there. The start benchmark runs it in a process of its own.
 *
 *     deno run -A bench/harness/first_token.ts MODEL DTYPE THREADS QUESTION
 *
 * @module
 */
import * as outrider from "@outrider/outrider";
import { wasmBackend } from "@outrider/outrider/backends/wasm";
import { WEIGHT_TYPES } from "@outrider/outrider/io";

const [path, wanted, threads, question] = Deno.args;
const dtype = WEIGHT_TYPES.find((type) => type === wanted) ?? "keep";
/** Seconds since the program's first line, at the end of each stage. */
const seconds: Record<string, number> = {};
const start = performance.now();
const mark = (stage: string): void => {
  seconds[stage] = (performance.now() - start) / 1000;
};

const device = outrider.createDevice(wasmBackend({ threads: Number(threads) }));
const file = await outrider.openModel(path);
mark("open");
const parameters = await outrider.loadLlama(file, dtype, outrider.uploadsTo(device));
mark("load");
const target = outrider.llamaModel({ device, config: file.config, parameters });
const decoder = outrider.autoregressive({ target, warp: outrider.temperature(0) });
const prompt = outrider.encodeChat(file.tokenizer, [{ role: "user", content: question }]);
for await (const token of outrider.stream(decoder, prompt, { key: outrider.keyOf(1) })) {
  mark("first");
  console.log(JSON.stringify({ seconds, text: file.tokenizer.decode([token]) }));
  break;
}
device.close();
Deno.exit(0);
