/**
 * Prints what the tasks of `deno.json` start V8 with: the flags that join vectors of 128 bits to 256,
 * where this V8 has been tested with them. What the environment already says stands.
 *
 *     DENO_V8_FLAGS=$(deno run -E examples/common/vector_flags.ts) deno run -A ...
 */
import { JOINED_VECTORS } from "@outrider/outrider/backends/wasm";

/** What Deno itself gives V8, where there is nothing to add: the variable may not be empty. */
const NOTHING = "--stack-size=1024";
/** Only V8 for x86-64 can join vectors, and only what was tested is switched on. */
const TESTED = { system: "linux", processor: "x86_64", v8: "15.0." };

/** The flags for a system, by what its environment says. */
export function vectorFlags(
  machine: { readonly system: string; readonly processor: string; readonly v8: string },
  given: string | undefined,
): string {
  if (given !== undefined && given.trim() !== "") return given;
  const isTested = machine.system === TESTED.system && machine.processor === TESTED.processor &&
    machine.v8.startsWith(TESTED.v8);
  return isTested ? JOINED_VECTORS.join(",") : NOTHING;
}

if (import.meta.main) {
  const { os: system, arch: processor } = Deno.build;
  const machine = { system, processor, v8: Deno.version.v8 };
  console.log(vectorFlags(machine, Deno.env.get("DENO_V8_FLAGS")));
}
