import { assert } from "@std/assert";
import { WEIGHT_TYPES } from "../../src/io/mod.ts";
import { SMOLLM2 } from "./files.ts";
import { canMeasure, type LoadMemory } from "./load_memory.ts";

const PROGRAM = new URL("load_memory.ts", import.meta.url).pathname;
const MEGABYTE = 1 << 20;
/** Resident bytes that may come on top of what the weights take: code, parts of files, garbage. */
const PROCESS_BYTES = 24 * MEGABYTE;
/** Weights may take so much more than their size, for what the allocator rounds up. */
const MOST_GROWTH = 1.1;

async function loadMemory(path: string, dtype: string): Promise<LoadMemory> {
  const args = ["run", "-A", PROGRAM, path, dtype, "2"];
  const process = new Deno.Command(Deno.execPath(), { args, stderr: "inherit" });
  const { success, stdout } = await process.output();
  assert(success);
  return JSON.parse(new TextDecoder().decode(stdout));
}

const text = (bytes: number): string => `${Math.round(bytes / MEGABYTE)} MiB`;

for (const dtype of WEIGHT_TYPES) {
  Deno.test({
    name:
      `SmolLM2 (model cache, Linux): loading as ${dtype} takes little more memory than it gives`,
    ignore: SMOLLM2 === undefined || !canMeasure(),
    fn: async () => {
      const { rest, peak, weights, largest } = await loadMemory(SMOLLM2 ?? "", dtype);
      const growth = peak - rest;
      const ratio = (growth / weights).toFixed(2);
      console.log(`${dtype}: ${text(weights)} of weights, ${text(growth)} at most, ${ratio} times`);
      // Less would mean that the measurement sees nothing.
      assert(growth > weights / 2, `${growth} bytes for ${weights}`);
      assert(growth <= MOST_GROWTH * weights + PROCESS_BYTES, `${growth} bytes for ${weights}`);
      // What users are promised: 1.3 times the weights and one tensor.
      assert(growth <= 1.3 * weights + largest + PROCESS_BYTES);
    },
  });
}
