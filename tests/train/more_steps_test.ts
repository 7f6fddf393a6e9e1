/** A run can be given more steps, and says so where that cannot be; folders are used as asked. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { createDevice } from "../../src/runtime/mod.ts";
import { pretrainDraft, type StageOptions } from "../../src/train/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { bitsOf, COUNTING, DRAFT } from "./world.ts";

/** Runs on a device of its own; gives the weights' bits and the steps that ran. */
async function run(options: Partial<StageOptions>) {
  const device = createDevice(wasmBackend());
  const steps: number[] = [];
  try {
    const result = await pretrainDraft({
      device,
      config: DRAFT,
      corpus: COUNTING,
      steps: 20,
      rowsPerBatch: 64,
      rate: 0.01,
      seed: 1,
      saveEvery: 7,
      onStep: ({ step }) => void steps.push(step),
      ...options,
    });
    assertEquals(device.counters().liveSlots, 0);
    return { bits: bitsOf(result.parameters), steps };
  } finally {
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  }
}

for (const [schedule, shared] of [["wsd", 16], ["constant", 20]] as const) {
  Deno.test(`${schedule}: a finished run goes on to the bits of a run that was longer from the start`, () =>
    withFolder(async (folder) => {
      const checkpoint = `${folder}/checkpoint.safetensors`;
      const short = await run({ schedule, checkpoint });
      const more = await run({ schedule, checkpoint, steps: 30 });
      assertEquals(more.steps[0], shared + 1, "it goes on from the last step that both share");
      assertEquals(more.steps.at(-1), 30);
      const whole = await run({ schedule, steps: 30 });
      assertEquals(more.bits, whole.bits);
      assert(JSON.stringify([...more.bits]) !== JSON.stringify([...short.bits]));
      const again = await run({ schedule, checkpoint, steps: 30 });
      assertEquals([again.steps, again.bits], [[], whole.bits]);
    }));

  Deno.test(`${schedule}: a run that was stopped on its way can be given any number of steps`, () =>
    withFolder(async (folder) => {
      for (const steps of [14, 25, 40]) {
        const checkpoint = `${folder}/${steps}.safetensors`;
        const abort = new AbortController();
        const onStep = ({ step }: { readonly step: number }) => {
          if (step === 9) abort.abort();
        };
        await run({ schedule, checkpoint, signal: abort.signal, onStep });
        const gone = await run({ schedule, checkpoint, steps });
        assertEquals(gone.steps[0], 10);
        assertEquals(gone.bits, (await run({ schedule, steps })).bits);
      }
    }));
}

Deno.test("fewer steps than were done, and more of a cosine, are refused", () =>
  withFolder(async (folder) => {
    const checkpoint = `${folder}/checkpoint.safetensors`;
    await run({ schedule: "wsd", checkpoint });
    for (const steps of [3, 12]) {
      const fewer = () => run({ schedule: "wsd", checkpoint, steps });
      await assertRejects(fewer, OutriderError, `found ${steps} steps, and step 20 in`);
    }
    const cosine = `${folder}/cosine.safetensors`;
    await run({ checkpoint: cosine });
    const more = () => run({ checkpoint: cosine, steps: 30 });
    await assertRejects(more, OutriderError, "a checkpoint with steps 30, found one with steps 20");
    const other = () => run({ schedule: "wsd", checkpoint: cosine });
    await assertRejects(other, OutriderError, 'schedule "wsd"');
  }));

Deno.test("a run goes on only where it should", () =>
  withFolder(async (folder) => {
    const checkpoint = `${folder}/checkpoint.safetensors`;
    const always = () => run({ checkpoint, resume: "always" });
    await assertRejects(always, OutriderError, "expected a checkpoint at");
    assertEquals([...Deno.readDirSync(folder)], [], "nothing is begun");
    await run({ checkpoint });
    assertEquals((await always()).steps, []);
    const anew = await run({ checkpoint, resume: "never", seed: 2 });
    assertEquals(anew.steps.length, 20, "the checkpoint of another recipe does not matter");
    assertEquals(anew.bits, (await run({ seed: 2 })).bits);
    const next = await run({ checkpoint, seed: 2 });
    assertEquals([next.steps, next.bits], [[], anew.bits], "it took the old one's place");
  }));

Deno.test("what a killed process left of a checkpoint goes with the next one", () =>
  withFolder(async (folder) => {
    const checkpoint = `${folder}/checkpoint.safetensors`;
    const left = `${checkpoint}.${crypto.randomUUID()}.tmp`;
    const others = ["notes.tmp", "checkpoint.safetensors.old", "other.safetensors"];
    for (const path of [left, ...others.map((name) => `${folder}/${name}`)]) {
      await Deno.writeTextFile(path, "half");
    }
    await run({ checkpoint });
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
    assertEquals(names, ["checkpoint.safetensors", ...others].toSorted());
  }));

Deno.test("a run that goes on reads only the documents that are still to come", () =>
  withFolder(async (folder) => {
    const checkpoint = `${folder}/checkpoint.safetensors`;
    const steps = 200;
    const abort = new AbortController();
    const onStep = ({ step }: { readonly step: number }) => {
      if (step === 195) abort.abort();
    };
    const device = createDevice(wasmBackend());
    const common = { device, config: DRAFT, rowsPerBatch: 64, rate: 0.01, seed: 1, steps };
    const corpus = (read: number[]) => ({
      length: COUNTING.length,
      document: (index: number) => {
        read.push(index);
        return COUNTING.document(index);
      },
    });
    const [first, second]: number[][] = [[], []];
    const run = { ...common, checkpoint, signal: abort.signal, onStep };
    await pretrainDraft({ ...run, corpus: corpus(first) });
    await pretrainDraft({ ...common, checkpoint, corpus: corpus(second) });
    device.close();
    assert(first.length > 700 && second.length < 40, `${first.length}, ${second.length}`);
  }));
