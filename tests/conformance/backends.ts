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
}

const gpu = await webgpuAdapter();

/** How to open each backend. */
export const BACKENDS: readonly TestedBackend[] = [
  { name: "reference", make: referenceBackend },
  { name: "plan interpreter", make: planInterpreter },
  { name: "fused plans", make: fusedInterpreter },
  { name: "wasm", make: wasmBackend },
  { name: "wasm without fused multiply-add", make: () => wasmBackend({ relaxedMadd: "absent" }) },
  {
    name: "webgpu",
    missing: gpu.found === "none" ? gpu.reason : undefined,
    make: () => webgpuBackend(),
  },
];

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
