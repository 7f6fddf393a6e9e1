/**
 * The backends that the suite holds to the reference: one line each.
 */
import { referenceBackend } from "../../src/backends/reference/mod.ts";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { webgpuAdapter, webgpuBackend } from "../../src/backends/webgpu/mod.ts";
import type { Backend } from "../../src/runtime/mod.ts";
import { fusedInterpreter } from "../property/fused_interpreter.ts";
import { planInterpreter } from "../property/plan_interpreter.ts";

/** A backend under test. */
export interface TestedBackend {
  readonly name: string;
  /** Why it cannot be tested here; undefined where it can. */
  readonly missing?: string;
  readonly make: () => Backend | Promise<Backend>;
  /** Most cases of a kind that an ordinary run takes; all where left out. */
  readonly most?: number;
}

/** An adapter in software compiles a shader for a tenth of a second to one: all cases take long. */
const MOST_ON_GPU = Deno.env.get("OUTRIDER_TESTS") === "whole" ? undefined : 16;

const gpu = await webgpuAdapter();

/** How to open each backend. */
export const BACKENDS: readonly TestedBackend[] = [
  { name: "reference", make: referenceBackend },
  { name: "plan interpreter", make: planInterpreter },
  { name: "fused plans", make: fusedInterpreter },
  { name: "wasm", make: wasmBackend },
  { name: "wasm with joined vectors", make: () => wasmBackend({ vectors: "joined" }) },
  { name: "wasm without fused multiply-add", make: () => wasmBackend({ relaxedMadd: "absent" }) },
  {
    name: "webgpu",
    missing: gpu.found === "none" ? gpu.reason : undefined,
    make: () => webgpuBackend(),
    most: MOST_ON_GPU,
  },
];

/**
 * The cases that a backend takes in this run, spread over all, and what the test's name says; a case
 * may cost as much as several.
 */
export function casesFor<Case>(
  backend: TestedBackend,
  cases: readonly Case[],
  cost = 1,
): { readonly taken: readonly Case[]; readonly count: string } {
  const most = Math.floor((backend.most ?? Infinity) / cost);
  if (cases.length <= most) return { taken: cases, count: `${cases.length}` };
  const step = (cases.length - 1) / (most - 1);
  const taken = Array.from({ length: most }, (_, i) => cases[Math.round(i * step)]);
  return { taken, count: `${most} of ${cases.length}` };
}

/** Registers a test of a backend; where that is missing, the name of the skipped test says why. */
export function testOn(
  { name, missing, make }: TestedBackend,
  promise: string,
  check: (backend: Backend) => Promise<void>,
): void {
  const reason = missing === undefined ? "" : ` (skipped: ${missing})`;
  Deno.test({
    name: `${name}: ${promise}${reason}`,
    ignore: missing !== undefined,
    fn: async () => {
      const backend = await make();
      try {
        await check(backend);
      } finally {
        backend.close();
      }
    },
  });
}
