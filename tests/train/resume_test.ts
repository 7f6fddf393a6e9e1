/** A run that ended anywhere goes on to the bits of a run that was never disturbed. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { foldIn, keyOf, uniformInteger } from "../../src/core/random.ts";
import { distillationCorpus } from "../../src/data/mod.ts";
import { initLlama } from "../../src/nn/mod.ts";
import { createDevice, type Device } from "../../src/runtime/mod.ts";
import {
  finetuneDraft,
  pretrainDraft,
  type StageOptions,
  type StageResult,
} from "../../src/train/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { answersOf, bitsOf, COUNTING, DRAFT, TARGET, uploadTarget } from "./world.ts";

const STEPS = 17;

/** What may be different between two runs. */
type Variation = Partial<StageOptions>;
/** Runs a stage on a device of its own; nothing may stay there. */
type Stage = (variation: Variation) => Promise<StageResult>;

async function onDevice<Result>(use: (device: Device) => Promise<Result>): Promise<Result> {
  const device = createDevice(wasmBackend());
  const slots = () => device.counters().liveSlots;
  try {
    return await use(device);
  } finally {
    assertEquals(slots(), 0);
    device.close();
  }
}

const common = { steps: STEPS, rowsPerBatch: 64, rate: 0.01, seed: 1, saveEvery: 5 };

const pretraining: Stage = (variation) =>
  onDevice((device) =>
    pretrainDraft({ device, config: DRAFT, corpus: COUNTING, ...common, ...variation })
  );

const answers = await (async () => {
  const device = createDevice(wasmBackend());
  const entries = await answersOf(device, uploadTarget(device));
  device.close();
  return distillationCorpus(entries);
})();

const finetuning: Stage = (variation) => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  return finetuneDraft({
    device,
    config: DRAFT,
    parameters: initLlama(keyOf(1), DRAFT),
    target: { config: TARGET, parameters },
    loss: "tvd++",
    temperature: 0.8,
    set: answers,
    mix: { corpus: COUNTING, share: 0.3 },
    ...common,
    ...variation,
  }).finally(() => device.close());
};

for (const [name, stage] of [["pretraining", pretraining], ["finetuning", finetuning]] as const) {
  Deno.test(`${name}: a run that broke or was stopped at any step ends in the same bits`, () =>
    withFolder(async (folder) => {
      const whole = `${folder}/whole`;
      const expected = await stage({ checkpoint: whole });
      const bits = bitsOf(expected.parameters);
      for (const last of [1, 4, 5, 6, 12, 16]) {
        const checkpoint = `${folder}/broken-${last}`;
        const breaking = stage({
          checkpoint,
          onStep: ({ step }) => {
            if (step === last) throw new Error("the power went");
          },
        });
        await assertRejects(() => breaking, Error, "the power went");
        const resumed = await stage({ checkpoint });
        assertEquals(bitsOf(resumed.parameters), bits, `broken at step ${last}`);
        assertEquals(await Deno.readFile(checkpoint), await Deno.readFile(whole));
      }
      for (const last of [1, 7, 10]) {
        const checkpoint = `${folder}/stopped-${last}`;
        const abort = new AbortController();
        const onStep = ({ step }: { readonly step: number }) => {
          if (step === last) abort.abort();
        };
        const stopped = await stage({ checkpoint, signal: abort.signal, onStep });
        assertEquals(stopped.step, last, "it stops after the running step");
        const steps: number[] = [];
        const resumed = await stage({ checkpoint, onStep: ({ step }) => void steps.push(step) });
        assertEquals(steps[0], last + 1, "nothing is done twice");
        assertEquals(bitsOf(resumed.parameters), bits, `stopped at step ${last}`);
      }
      const again = await stage({ checkpoint: whole, onStep: () => assert(false, "all is done") });
      assertEquals(bitsOf(again.parameters), bits, "a finished run gives its result again");
    }));
}

Deno.test("a process that is killed again and again while it saves ends in the same bits", () =>
  withFolder(async (folder) => {
    const script = new URL("killed_run.ts", import.meta.url).pathname;
    const steps = 150;
    const run = (checkpoint: string) =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", script, checkpoint, `${steps}`],
        stdout: "piped",
      }).spawn();
    const checkpoint = `${folder}/killed`;
    for (let round = 0; round < 3; round++) {
      const child = run(checkpoint);
      const wanted = 10 + uniformInteger(foldIn(keyOf(7), round), 25);
      const delay = uniformInteger(foldIn(keyOf(8), round), 6);
      let seen = 0;
      for await (const chunk of child.stdout) {
        seen += new TextDecoder().decode(chunk).split("\n").length - 1;
        if (seen < wanted) continue;
        await new Promise((resolve) => setTimeout(resolve, delay));
        child.kill("SIGKILL");
        break;
      }
      assertEquals((await child.status).signal, "SIGKILL", "it was killed before its end");
    }
    const last = run(checkpoint);
    const lines = (await new Response(last.stdout).text()).trim().split("\n").map(Number);
    assertEquals((await last.status).code, 0);
    assert(lines[0] > 30, `it went on at step ${lines[0]}`);
    assertEquals(lines.at(-1), steps);
    const undisturbed = run(`${folder}/undisturbed`);
    await undisturbed.stdout.cancel();
    assertEquals((await undisturbed.status).code, 0);
    assertEquals(await Deno.readFile(checkpoint), await Deno.readFile(`${folder}/undisturbed`));
  }));
