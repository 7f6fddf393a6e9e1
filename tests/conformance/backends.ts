/**
 * The backends that the suite holds to the reference: one line each.
 */
import { referenceBackend } from "../../src/backends/reference/mod.ts";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import type { Backend } from "../../src/runtime/mod.ts";
import { planInterpreter } from "../property/plan_interpreter.ts";

/** How to open each backend. */
export const BACKENDS: readonly { readonly name: string; readonly make: () => Backend }[] = [
  { name: "reference", make: referenceBackend },
  { name: "plan interpreter", make: planInterpreter },
  { name: "wasm", make: wasmBackend },
  { name: "wasm without fused multiply-add", make: () => wasmBackend({ relaxedMadd: "absent" }) },
];
