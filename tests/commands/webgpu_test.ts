/** `--backend webgpu`: the same greedy text as on the processor. */
import { assertEquals } from "@std/assert";
import { webgpuAdapter } from "../../src/backends/webgpu/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { jsonOf } from "./run_command.ts";
import { writeTinyModel } from "./tiny_target.ts";

const found = await webgpuAdapter();

/** What the test reads of a report of generate. */
interface TextReport {
  readonly tokens: readonly number[];
  readonly backend: string;
  readonly threads: number;
}

/** What the test reads of a report of evaluate. */
interface DraftReport {
  readonly decoders?: { readonly device: readonly string[]; readonly host: readonly string[] };
  readonly rows: readonly { readonly name: string; readonly equalTexts: number }[];
}

/** Registers a test with a tiny target; where no adapter is, its name says why it is skipped. */
function testOnGpu(promise: string, check: (target: string) => Promise<void>): void {
  const reason = found.found === "none" ? ` (skipped: ${found.reason})` : "";
  Deno.test({
    name: `${promise}${reason}`,
    ignore: found.found === "none",
    fn: () =>
      withFolder(async (folder) => {
        const target = `${folder}/tiny.gguf`;
        await writeTinyModel(target);
        await check(target);
      }),
  });
}

testOnGpu("generate on WebGPU writes what it writes on Wasm", async (target) => {
  const ask = ["--target", target, "--prompt", "river", "--raw", "--max-tokens"];
  const on = (backend: string, ...more: string[]) =>
    jsonOf<TextReport>("generate", [...ask, ...more, "--backend", backend]);
  const [gpu, processor] = [await on("webgpu", "12"), await on("wasm", "12")];
  assertEquals([gpu.backend, processor.backend], ["webgpu", "wasm"]);
  assertEquals(gpu.tokens.length, 12);
  assertEquals(gpu.tokens, processor.tokens);
  // Activations stay as they are, which on Wasm is another type of product.
  const rounded = await on("webgpu", "2", "--dtype", "q8");
  assertEquals(rounded.tokens.length, 2);
});

testOnGpu(
  "evaluate on WebGPU says what decoded there, and texts are the plain ones",
  async (target) => {
    const drafts = ["--draft", "self:1", "--draft", "lookup", "--gamma", "2"];
    const texts = ["--count", "1", "--max-tokens", "6", "--backend", "webgpu"];
    const { decoders, rows } = await jsonOf<DraftReport>("evaluate", [
      "--target",
      target,
      ...drafts,
      ...texts,
    ]);
    assertEquals(decoders, { device: ["plain", "self:1"], host: ["lookup"] });
    assertEquals(rows.map(({ equalTexts }) => equalTexts), [1, 1]);
  },
);
