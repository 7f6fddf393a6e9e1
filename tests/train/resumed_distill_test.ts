/** A set that is taken up again costs the rest only, whatever is at work together. */
import { assert, assertEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { createDevice } from "../../src/runtime/mod.ts";
import { answersOf, uploadTarget } from "./world.ts";

for (const sequences of [1, 3, 16]) {
  Deno.test(`${sequences} at work: a set taken up after any answer gives the rest, and no more is computed`, async () => {
    const device = createDevice(wasmBackend());
    const parameters = uploadTarget(device);
    const slots = device.counters().liveSlots;
    const entriesAfter = async (done: number) => {
      const before = device.counters().runs;
      const entries = await answersOf(device, parameters, { done, sequences });
      return { entries, runs: device.counters().runs - before };
    };
    const whole = await entriesAfter(0);
    assertEquals(whole.entries.length, 24);
    for (const [index, { temperature }] of whole.entries.entries()) {
      assertEquals(temperature, [0, 0.7, 1][index % 3], "temperatures go round by prompt");
    }
    let least = whole.runs;
    for (const done of [1, 2, 11, 16, 23]) {
      const rest = await entriesAfter(done);
      assertEquals(rest.entries, whole.entries.slice(done), `after ${done} answers`);
      assert(rest.runs <= least, `${rest.runs} runs after ${done} answers, ${least} before`);
      least = rest.runs;
    }
    assert(2 * least < whole.runs, `one answer took ${least} runs, all took ${whole.runs}`);
    const nothing = await entriesAfter(24);
    assertEquals(nothing.entries, []);
    assert(nothing.runs <= 1, "at most an empty cache is made");
    assertEquals(device.counters().liveSlots, slots);
    device.close();
  });
}
