/** Decoders on a device under bad input, damaged weights and memory that runs out. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { wasmBackend } from "../../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../../src/core/errors.ts";
import { hostTensor } from "../../../src/core/host_tensor.ts";
import { keyOf } from "../../../src/core/random.ts";
import {
  autoregressiveOnDevice,
  type Decoder,
  generate,
  speculativeOnDevice,
} from "../../../src/decode/mod.ts";
import { initLlama } from "../../../src/nn/mod.ts";
import { createDevice, type Device, uploadTree } from "../../../src/runtime/mod.ts";
import { failingBackend } from "../failing_backend.ts";
import { CONFIG, modelOn, trimmedOn } from "./tiny_models.ts";

const PROMPT = [3, 1, 7];
const key = keyOf(5);
const SAMPLINGS = [{ temperature: 0 }, { temperature: 0.9, topP: 0.9 }];

/** Runs a check on every decoder. */
async function forEachDecoder(
  device: Device,
  check: <State>(decoder: Decoder<State>) => Promise<void>,
): Promise<void> {
  const [target, draft] = [modelOn(device, 1), trimmedOn(device, 2)];
  for (const sampling of SAMPLINGS) {
    for (const ahead of [0, 2]) {
      await check(autoregressiveOnDevice({ target, sampling, ahead }));
      await check(speculativeOnDevice({ target, draft, gamma: 3, sampling, ahead }));
    }
  }
}

Deno.test("an empty, too long or foreign prompt is refused before anything is made", async () => {
  const device = createDevice(wasmBackend());
  await forEachDecoder(device, async (decoder) => {
    const before = device.counters().liveSlots;
    await assertRejects(() => decoder.init([], key), OutriderError, "at least one token");
    await assertRejects(() => decoder.init(Array(49).fill(0), key), OutriderError, "at most 48");
    await assertRejects(() => decoder.init([0, 40], key), OutriderError, "40 at place 1");
    assertEquals(device.counters().liveSlots, before);
  });
  device.close();
});

Deno.test("a state is used once, closed twice and never beyond the context", async () => {
  const device = createDevice(wasmBackend());
  await forEachDecoder(device, async (decoder) => {
    const before = device.counters().liveSlots;
    const first = await decoder.init(PROMPT, key);
    const { state } = await decoder.step(first);
    await assertRejects(() => decoder.step(first), OutriderError, "already taken by step");
    decoder.close(first);
    assert(device.counters().liveSlots > before, "closing a spent state leaves its successor");
    decoder.close(state);
    decoder.close(state);
    await assertRejects(() => decoder.step(state), OutriderError, "already taken by close");
    const last = await decoder.step(await decoder.init(Array(48).fill(2), key));
    assertEquals([last.tokens.length, last.finish], [1, "context"]);
    await assertRejects(() => decoder.step(last.state), OutriderError, "at most 48 tokens");
    decoder.close(last.state);
    await Promise.resolve();
    assertEquals(device.counters().liveSlots, before);
  });
  device.close();
});

Deno.test("a target whose logits are not numbers ends the text with one clear error", async () => {
  const device = createDevice(wasmBackend());
  const good = initLlama(keyOf(1), CONFIG);
  const broken = { ...good, finalNorm: hostTensor(new Float32Array(CONFIG.width).fill(NaN)) };
  const target = { device, config: CONFIG, parameters: uploadTree(device, broken) };
  const draft = trimmedOn(device, 2);
  const before = device.counters().liveSlots;
  for (const sampling of SAMPLINGS) {
    for (const ahead of [0, 1]) {
      const expected = "position 3";
      const plain = autoregressiveOnDevice({ target, sampling, ahead });
      await assertRejects(() => generate(plain, PROMPT, { key }), OutriderError, expected);
      for (const verify of ["token", "block"] as const) {
        const how = { gamma: 2, sampling, ahead, verify };
        const drafted = speculativeOnDevice({ target, draft, ...how });
        await assertRejects(() => generate(drafted, PROMPT, { key }), OutriderError, expected);
      }
      await Promise.resolve();
      assertEquals(device.counters().liveSlots, before);
    }
  }
  device.close();
});

Deno.test("memory that runs out in any allocation leaves nothing alive", async () => {
  const backend = failingBackend();
  const device = createDevice(backend);
  const [target, draft] = [modelOn(device, 1), trimmedOn(device, 2)];
  const sampling = { temperature: 1 };
  const before = device.counters().liveSlots;
  const prompt = Array(7).fill(1);
  const run = async <State>(decoder: Decoder<State>): Promise<void> => {
    await generate(decoder, prompt, { key });
  };
  const plain = autoregressiveOnDevice({ target, sampling, ahead: 1 });
  const drafted = speculativeOnDevice({ target, draft, gamma: 2, sampling, ahead: 1 });
  const decoders = [() => run(plain), () => run(drafted)];
  for (const decode of decoders) {
    let failures = 0;
    for (let allocations = 0;; allocations += allocations < 60 ? 1 : 37) {
      backend.failAfter(allocations);
      const failed = await decode().then(() => false, (error) => {
        assert(error instanceof OutriderError && error.message.includes("free memory"), `${error}`);
        return true;
      });
      await Promise.resolve();
      assertEquals(device.counters().liveSlots, before, `after ${allocations} allocations`);
      if (!failed) break;
      failures++;
    }
    assert(failures > 60, `${failures} failures`);
  }
  device.close();
});

Deno.test("parts that do not fit are refused by name", () => {
  const [device, other] = [createDevice(wasmBackend()), createDevice(wasmBackend())];
  const [target, draft] = [modelOn(device, 1), trimmedOn(device, 2)];
  const sampling = { temperature: 0 };
  const parts = { target, draft, gamma: 2, sampling };
  const { vocabulary: _, ...classes } = draft;
  for (
    const [wrong, message] of [
      [{ ...parts, gamma: 0 }, "a gamma of 1 or more"],
      [{ ...parts, ahead: -1 }, "0 or more steps ahead"],
      [{ ...parts, draft: modelOn(other, 1) }, "a draft on the target's device"],
      [{ ...parts, draft: classes }, "a draft for a target of 40 tokens"],
      [{ ...parts, draft: { ...target, vocabulary: draft.vocabulary } }, "a model of 40 classes"],
      [{ ...parts, sampling: { temperature: -1 } }, "a temperature of 0"],
    ] as const
  ) assertThrows(() => speculativeOnDevice(wrong), OutriderError, message);
  device.close();
  other.close();
});
