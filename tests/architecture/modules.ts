/**
 * The modules of the library and what each may import: the table that keeps the layers apart.
 *
 * @module
 */

/** What one module may import of the others, and of packages. */
export interface Allowance {
  /** Modules it may import. */
  readonly modules: readonly string[];
  /** Modules of which it may import types only. */
  readonly types?: readonly string[];
  /** Names of `deno.json`'s imports, or `node:` modules. */
  readonly packages?: readonly string[];
  /** Where a module may use only part of another: the files of that part. */
  readonly files?: readonly string[];
}

const ERRORS_AND_RANDOM = ["src/core/errors.ts", "src/core/random.ts"];

/** Every module of the library. A module that is not named here may not exist. */
export const ALLOWED: Readonly<Record<string, Allowance>> = {
  core: { modules: [] },
  plan: { modules: ["core"] },
  "kernels/wasm": { modules: ["core"], types: ["plan"] },
  "kernels/wgsl": { modules: ["core"], types: ["plan"] },
  runtime: { modules: ["core", "plan"] },
  "backends/reference": { modules: ["core", "plan"], types: ["runtime"] },
  "backends/wasm": { modules: ["core", "plan", "kernels/wasm"], types: ["runtime"] },
  "backends/webgpu": { modules: ["core", "plan", "kernels/wgsl"], types: ["runtime"] },
  nn: { modules: ["core"] },
  losses: { modules: ["core"] },
  optim: { modules: ["core"] },
  cli: { modules: ["core"], files: ERRORS_AND_RANDOM, packages: ["@std/cli/parse-args"] },
  data: {
    modules: ["core", "io"],
    files: [
      ...ERRORS_AND_RANDOM,
      "src/io/atomic_write.ts",
      "src/io/checksum.ts",
      "src/io/sha256.ts",
    ],
    packages: ["node:stream", "node:zlib"],
  },
  io: {
    modules: ["core", "nn"],
    packages: ["@huggingface/hub", "@huggingface/jinja", "node:crypto"],
  },
  decode: { modules: ["core", "nn", "runtime"] },
  train: { modules: ["core", "nn", "optim", "losses", "runtime", "data", "io", "decode"] },
  evaluate: { modules: ["decode", "core", "data"] },
  "mod.ts": {
    modules: ["core", "plan", "runtime", "nn", "losses", "optim", "data", "io", "decode", "train"]
      .concat("evaluate", "cli"),
  },
};

/** The module that a library file belongs to; undefined outside the library. */
export function moduleOf(path: string): string | undefined {
  const [top, second, third] = path.split("/");
  if (path === "mod.ts") return path;
  if (top === "kernels") return `kernels/${second}`;
  if (top !== "src") return undefined;
  return second === "backends" ? `backends/${third}` : second;
}

/** The project's file that a relative specifier names, seen from the importing file. */
export function resolvePath(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}
