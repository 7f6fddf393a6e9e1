/**
 * Bundles of the page: TypeScript and what it imports as one module for browsers each.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import * as esbuild from "esbuild-wasm/esm/browser.js";

const BROWSER = new URL("../browser/", import.meta.url);

/** Packages that browsers run; others must not be needed by what is bundled. */
const PACKAGES = ["@huggingface/jinja"];

/** True for modules of this project and the packages that may be in a bundle. */
const isBundled = (specifier: string): boolean =>
  /^(\.|@outrider\/outrider(\/|$))/.test(specifier) || PACKAGES.includes(specifier);

/**
 * Finds modules where this program itself finds them. No module does anything when it is loaded but
 * define things, so a module of which nothing is used is left out, and with it what it imports.
 */
const modules: esbuild.Plugin = {
  name: "modules",
  setup(build): void {
    build.onResolve({ filter: /.*/ }, ({ path, importer, kind }) => {
      if (kind === "entry-point") return { path: new URL(path, BROWSER).href, namespace: "module" };
      if (!isBundled(path)) return { path, external: true, sideEffects: false };
      const url = path.startsWith(".") ? new URL(path, importer).href : import.meta.resolve(path);
      return { path: url, namespace: "module", sideEffects: false };
    });
    build.onLoad({ filter: /.*/, namespace: "module" }, async ({ path }) => ({
      contents: await Deno.readTextFile(new URL(path)),
      loader: path.endsWith(".ts") ? "ts" : "js",
    }));
  },
};

/** Starts the bundler for as long as it is used. */
async function withBundler<Result>(use: () => Promise<Result>): Promise<Result> {
  const wasm = await Deno.readFile(new URL(import.meta.resolve("esbuild-wasm/esbuild.wasm")));
  await esbuild.initialize({ wasmModule: await WebAssembly.compile(wasm), worker: false });
  try {
    return await use();
  } finally {
    await esbuild.stop();
  }
}

/** A bundled module. */
export interface Bundle {
  /** Its file name, such as `main.js`. */
  readonly name: string;
  /** JavaScript that imports nothing. */
  readonly text: string;
}

/**
 * Bundles modules of the folder `browser`.
 *
 * @throws OutriderError where one of them needs what browsers do not have
 */
export async function bundlePage(entries: readonly string[]): Promise<readonly Bundle[]> {
  const { outputFiles, metafile } = await withBundler(() =>
    esbuild.build({
      entryPoints: entries.map((entry) => ({ in: `./${entry}.ts`, out: entry })),
      bundle: true,
      format: "esm",
      platform: "browser",
      target: "esnext",
      minify: true,
      write: false,
      metafile: true,
      outdir: "/",
      logLevel: "silent",
      plugins: [modules],
    })
  );
  const missing = Object.values(metafile.outputs).flatMap(({ imports }) => imports);
  if (missing.length > 0) {
    const names = missing.map(({ path }) => path).join(", ");
    throw new OutriderError("a bundle that imports nothing", names, "import narrower modules");
  }
  return outputFiles.map(({ path, text }) => ({ name: path.replace(/^.*\//, ""), text }));
}
