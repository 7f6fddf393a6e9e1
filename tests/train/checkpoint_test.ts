/** A checkpoint that does not belong to a run, or is damaged, is refused with one clear line. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { hostTensor } from "../../src/core/host_tensor.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { memorySource, readSafetensors, writeSafetensors } from "../../src/io/mod.ts";
import { createDevice, downloadTree, uploadTree } from "../../src/runtime/mod.ts";
import { loadCheckpoint, pretrainDraft, saveCheckpoint } from "../../src/train/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { COUNTING, DRAFT } from "./world.ts";

const STATE = {
  weights: [hostTensor(Float32Array.of(1, -0, NaN, 3e-42)), hostTensor(new Float32Array(0))],
  count: hostTensor(Int32Array.of(-7), []),
};

const PROGRESS = {
  step: 12,
  positions: [{ epoch: 1, index: 2, offset: 3 }],
  guard: {
    ordinary: 7,
    recent: [0.1, 2.25],
    levels: [{ median: 1 / 3, limit: 0.5 }],
    highInARow: 0,
  },
};

Deno.test("a checkpoint gives back every bit of a state, and how far it is", () =>
  withFolder(async (folder) => {
    const device = createDevice(wasmBackend());
    const path = `${folder}/checkpoint`;
    await saveCheckpoint(path, uploadTree(device, STATE), {
      progress: PROGRESS,
      totalSteps: 40,
      recipe: "r",
    });
    const zeros = {
      weights: [hostTensor(new Float32Array(4)), hostTensor(new Float32Array(0))],
      count: hostTensor(new Int32Array(1), []),
    };
    const fresh = uploadTree(device, zeros);
    const restored = await loadCheckpoint(device, path, fresh, "r");
    assertEquals(restored?.progress, PROGRESS);
    const found = await downloadTree(restored?.state ?? fresh);
    assertEquals(found.weights[0].data, STATE.weights[0].data);
    assert(Object.is(found.weights[0].data[1], -0));
    assertEquals(found.count, STATE.count);
    assertEquals(fresh.count.live, false, "the fresh state is used up");
    const none = await loadCheckpoint(device, `${folder}/none`, fresh, "r");
    assertEquals(none, undefined);
    device.close();
  }));

const RUN = { config: DRAFT, corpus: COUNTING, rowsPerBatch: 64, rate: 0.01, seed: 1, steps: 3 };

Deno.test("a checkpoint of another recipe is refused, and the line names what differs", () =>
  withFolder(async (folder) => {
    const device = createDevice(wasmBackend());
    const checkpoint = `${folder}/checkpoint`;
    await pretrainDraft({ device, ...RUN, data: "counting", checkpoint });
    const others = [
      [{ seed: 2 }, "expected a checkpoint with seed 2, found one with seed 1 in"],
      [{ rate: 0.02, steps: 4 }, "with steps 4, rate 0.02, found one with steps 3, rate 0.01 in"],
      [{ data: "words" }, 'with data "words", found one with data "counting" in'],
      [{ config: { ...DRAFT, width: 16 } }, '"width":16'],
    ] as const;
    for (const [change, message] of others) {
      const run = () => pretrainDraft({ device, ...RUN, data: "counting", checkpoint, ...change });
      const error = await assertRejects(run, OutriderError, message);
      assert(!error.message.includes("\n"));
      assert(error.message.includes("name another folder"));
      assertEquals(device.counters().liveSlots, 0);
    }
    device.close();
  }));

Deno.test("a checkpoint cut off anywhere is refused, and nothing stays on the device", () =>
  withFolder(async (folder) => {
    const device = createDevice(wasmBackend());
    const checkpoint = `${folder}/checkpoint`;
    await pretrainDraft({ device, ...RUN, checkpoint });
    const whole = await Deno.readFile(checkpoint);
    const { tensors } = await readSafetensors(memorySource(whole));
    const header = tensors[0].offset;
    for (const length of [0, 7, 8, 100, header - 1, header, header + 5, whole.length - 1]) {
      await Deno.writeFile(checkpoint, whole.subarray(0, length));
      await assertRejects(() => pretrainDraft({ device, ...RUN, checkpoint }), OutriderError);
      assertEquals(device.counters().liveSlots, 0);
    }
    await Deno.writeFile(checkpoint, whole);
    assertEquals((await pretrainDraft({ device, ...RUN, checkpoint })).step, 3);
    device.close();
  }));

Deno.test("a checkpoint with arrays of other names, shapes or types is refused", () =>
  withFolder(async (folder) => {
    const device = createDevice(wasmBackend());
    const path = `${folder}/checkpoint`;
    const load = () =>
      loadCheckpoint(
        device,
        path,
        uploadTree(device, { a: hostTensor(Float32Array.of(1, 2)) }),
        "r",
      );
    const write = async (
      tensor: { readonly name: string; readonly shape: number[]; readonly type: "F32" | "I32" },
      progress = JSON.stringify(PROGRESS),
    ) => {
      const bytes = new Uint8Array(4 * tensor.shape[0]);
      const metadata = new Map([["recipe", "r"], ["totalSteps", "20"], ["progress", progress]]);
      await writeSafetensors(path, { metadata, tensors: [{ ...tensor, bytes }] });
    };
    await write({ name: "a", shape: [2], type: "F32" });
    assertEquals((await load())?.progress.step, 12);
    for (
      const other of [undefined, null, { recent: [1], best: null }, {
        ...PROGRESS.guard,
        recent: [null],
      }]
    ) {
      await write(
        { name: "a", shape: [2], type: "F32" },
        JSON.stringify({ ...PROGRESS, guard: other }),
      );
      assertEquals(
        (await load())?.progress.guard.recent,
        [],
        "a guard of another kind begins anew",
      );
    }
    for (
      const [name, shape, type, message] of [
        ["b", [2], "F32", "expected a F32[2]"],
        ["a", [3], "F32", "found F32[3]"],
        ["a", [2], "I32", "found I32[2]"],
      ] as const
    ) {
      await write({ name, shape: [...shape], type });
      await assertRejects(load, OutriderError, message);
    }
    const { step, positions, guard } = PROGRESS;
    const broken: readonly unknown[] = [
      "soon",
      "null",
      "{}",
      { positions, guard },
      { step: -1, positions, guard },
      { step, positions: [{ epoch: 0, index: 0.5, offset: 0 }], guard },
      { step, positions: 3, guard },
    ];
    for (const progress of broken) {
      const text = typeof progress === "string" ? progress : JSON.stringify(progress);
      await write({ name: "a", shape: [2], type: "F32" }, text);
      await assertRejects(
        load,
        OutriderError,
        "the number of steps done and the place in the data",
      );
    }
    device.close();
  }));
