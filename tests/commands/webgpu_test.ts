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

Deno.test({
  name: `generate on WebGPU writes what it writes on Wasm${
    found.found === "none" ? ` (skipped: ${found.reason})` : ""
  }`,
  ignore: found.found === "none",
  fn: () =>
    withFolder(async (folder) => {
      const target = `${folder}/tiny.gguf`;
      await writeTinyModel(target);
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
    }),
});
