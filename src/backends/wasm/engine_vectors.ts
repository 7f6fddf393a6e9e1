/**
 * Whether the engine was started so that it joins vectors.
 *
 * @module
 */
import type { Vectors } from "../../../kernels/wasm/mod.ts";

/**
 * The V8 flags that make it join neighbouring vectors of 128 bits to vectors of 256, which it does
 * where no check of bounds stands between their stores. They count only when V8 starts: in the
 * environment variable `DENO_V8_FLAGS`, or behind `--v8-flags=`.
 *
 * @example
 * ```ts
 * import { engineVectors, JOINED_VECTORS } from "@outrider/outrider/backends/wasm";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(engineVectors(JOINED_VECTORS.join(",")), "joined");
 * ```
 */
export const JOINED_VECTORS: readonly string[] = [
  "--no-wasm-bounds-checks",
  "--experimental-wasm-revectorize",
];

/** Reads a variable of the environment where that needs no question; undefined elsewhere. */
function variable(name: string): string | undefined {
  if (!("Deno" in globalThis)) return undefined;
  const { permissions, env } = globalThis.Deno;
  const { state } = permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? env.get(name) : undefined;
}

/**
 * What the engine makes of neighbouring vectors: "joined" where the flags, those of `DENO_V8_FLAGS`
 * if none are given, hold all of {@link JOINED_VECTORS}; "apart" elsewhere and in browsers.
 *
 * @example
 * ```ts
 * import { engineVectors } from "@outrider/outrider/backends/wasm";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(engineVectors("--stack-size=2048"), "apart");
 * ```
 */
export function engineVectors(flags: string | undefined = variable("DENO_V8_FLAGS")): Vectors {
  const given = (flags ?? "").split(/[\s,]+/);
  return JOINED_VECTORS.every((flag) => given.includes(flag)) ? "joined" : "apart";
}
