/** Texts that are there already are taught what the target would have said of them. */
import { assertEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { llamaModel } from "../../src/decode/mod.ts";
import { createDevice } from "../../src/runtime/mod.ts";
import { distilledEntries, taughtEntries } from "../../src/train/mod.ts";
import { promptsOf, STOP, TARGET, uploadTarget } from "./world.ts";

Deno.test("a set taught afterwards has the distributions of one that was taught in writing", async () => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const distilled = await Array.fromAsync(distilledEntries({
    device,
    target: { config: TARGET, parameters },
    prompts: promptsOf(12),
    done: 0,
    temperatures: [0, 1],
    topP: 0.95,
    maximumTokens: 12,
    stopTokens: new Set([STOP]),
    seed: 3,
    sequences: 4,
    teacherTokens: 5,
  }));
  const written = distilled.map(({ entry, teacher }) => ({ entry, teacher }));
  const slots = device.counters().liveSlots;
  const target = llamaModel({ device, config: TARGET, parameters });
  const entries = [
    ...written.map(({ entry }) => entry),
    { ...written[0].entry, response: [] },
  ];
  const taught = await Array.fromAsync(taughtEntries(entries, { target, teacherTokens: 5 }));
  assertEquals(taught.slice(0, 12), written);
  assertEquals(taught[12].teacher, []);
  assertEquals(device.counters().liveSlots, slots, "the cache is released");
  device.close();
});
