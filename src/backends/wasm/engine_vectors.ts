/**
 * Whether the engine was started so that it joins vectors.
 *
 * V8 can make vectors of 256 bits from neighbouring ones of 128, where no check of bounds stands
 * between their stores. Both are flags that count only when V8 starts.
 *
 * @module
 */
import type { Vectors } from "../../../kernels/wasm/mod.ts";

/** What `DENO_V8_FLAGS` has to hold. */
const WANTED = ["--no-wasm-bounds-checks", "--experimental-wasm-revectorize"];

/** Reads a variable of the environment where that needs no question; undefined elsewhere. */
function variable(name: string): string | undefined {
  if (!("Deno" in globalThis)) return undefined;
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}

/** "joined" where `DENO_V8_FLAGS` holds both flags, "apart" elsewhere and in browsers. */
export function engineVectors(flags = variable("DENO_V8_FLAGS")): Vectors {
  const given = (flags ?? "").split(/[\s,]+/);
  return WANTED.every((flag) => given.includes(flag)) ? "joined" : "apart";
}
