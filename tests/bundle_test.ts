/**
 * The library without npm packages bundles for a browser and runs from the bundle.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import * as esbuild from "esbuild-wasm/esm/browser.js";

const ENTRY = `
import { add, hostTensor } from "outrider:core/mod.ts";
import { compile, createDevice, read, upload } from "outrider:runtime/mod.ts";
import { wasmBackend } from "outrider:backends/wasm/mod.ts";
import { draftPromptLookup, speculative } from "outrider:decode/mod.ts";
import { llama } from "outrider:nn/mod.ts";

export const parts = [draftPromptLookup, speculative, llama].map((part) => typeof part);
const device = createDevice(wasmBackend());
const x = upload(device, hostTensor(new Float32Array([1, 2, 3])));
export const doubled = [...await read(compile(device, (t) => add(t, t))(x))];
device.close();
`;

const SOURCE = new URL("../src/", import.meta.url);

/** Reads our own modules; anything else would be a dependency that a browser cannot have. */
const ownModules: esbuild.Plugin = {
  name: "own modules",
  setup(build): void {
    build.onResolve({ filter: /.*/ }, ({ path, importer, kind }) => {
      if (kind === "entry-point") return { path: new URL(path, SOURCE).href, namespace: "entry" };
      const base = path.startsWith("outrider:") ? SOURCE : new URL(importer);
      const target = path.replace("outrider:", "./");
      return target.startsWith(".")
        ? { path: new URL(target, base).href, namespace: "own" }
        : { errors: [{ text: `an import of ${path}` }] };
    });
    build.onLoad({ filter: /.*/, namespace: "entry" }, () => ({ contents: ENTRY, loader: "ts" }));
    build.onLoad({ filter: /.*/, namespace: "own" }, async ({ path }) => ({
      contents: await Deno.readTextFile(new URL(path)),
      loader: "ts",
    }));
  },
};

Deno.test("core, compiler, wasm backend, models and decoders bundle for a browser and run", async () => {
  const wasm = await Deno.readFile(new URL(import.meta.resolve("esbuild-wasm/esbuild.wasm")));
  await esbuild.initialize({ wasmModule: await WebAssembly.compile(wasm), worker: false });
  const { outputFiles } = await esbuild.build({
    entryPoints: ["entry.ts"],
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "esnext",
    write: false,
    plugins: [ownModules],
  });
  const url = URL.createObjectURL(new Blob([outputFiles[0].text], { type: "text/javascript" }));
  const { parts, doubled } = await import(url);
  assertEquals(parts, ["function", "function", "function"]);
  assertEquals(doubled, [2, 4, 6]);
  URL.revokeObjectURL(url);
});
