/** A run that saves after every step, to be killed: `deno run -A killed_run.ts CHECKPOINT STEPS`. */
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { createDevice } from "../../src/runtime/mod.ts";
import { pretrainDraft } from "../../src/train/mod.ts";
import { COUNTING, DRAFT } from "./world.ts";

/** The run, to the end. */
export async function countingRun(checkpoint: string, steps: number): Promise<void> {
  const device = createDevice(wasmBackend());
  await pretrainDraft({
    device,
    config: { ...DRAFT, width: 32, headWidth: 16, feedForwardWidth: 256 },
    corpus: COUNTING,
    steps,
    rowsPerBatch: 48,
    rate: 0.01,
    seed: 2,
    checkpoint,
    saveEvery: 1,
    onStep: ({ step }) => console.log(step),
  });
  device.close();
}

if (import.meta.main) await countingRun(Deno.args[0], Number(Deno.args[1]));
