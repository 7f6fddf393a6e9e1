/** Instructions that a target writes itself: each by its own coins, however often a run stops. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { createDevice } from "../../src/runtime/mod.ts";
import { selfSeededInstructions, userHeader } from "../../src/train/mod.ts";
import { STOP, TARGET, uploadTarget } from "./world.ts";

Deno.test("instructions are the same in any batch, and a run goes on after any of them", async () => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const written = (done: number, count: number, sequences: number) =>
    Array.fromAsync(selfSeededInstructions({
      device,
      target: { config: TARGET, parameters },
      stopTokens: new Set([STOP]),
      header: [1, 2, 3],
      done,
      count,
      temperature: 1,
      topP: 0.95,
      maximumTokens: 8,
      seed: 4,
      sequences,
    }));
  const all = await written(0, 12, 1);
  assertEquals(all.map(({ index }) => index), Array.from({ length: 12 }, (_, i) => i));
  assert(new Set(all.map(({ tokens }) => tokens.join())).size > 6, "they differ");
  assert(all.some(({ ended }) => ended) && all.some(({ ended }) => !ended));
  for (const { tokens, ended } of all) {
    assert(!tokens.includes(STOP), "the end of turn is no part of an instruction");
    assert(ended ? tokens.length < 8 : tokens.length === 8);
  }
  for (const sequences of [3, 12]) assertEquals(await written(0, 12, sequences), all);
  for (const done of [1, 7, 12]) assertEquals(await written(done, 12, 4), all.slice(done));
  assertEquals(await written(0, 5, 4), all.slice(0, 5), "more instructions only add some");
  device.close();
});

Deno.test("a header is what a template writes before whatever the user says", () => {
  const encode = (text: string) => [...text].map((letter) => letter.charCodeAt(0));
  assertEquals(userHeader((content) => encode(`<user>${content}<bot>`)), encode("<user>"));
  assertThrows(() => userHeader((content) => encode(content)), OutriderError, "header");
});
