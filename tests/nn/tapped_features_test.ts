/** Taps of targets of any depth: rising places, the last of which is what the head reads. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { spreadTaps } from "../../src/nn/mod.ts";

Deno.test("taps rise to behind the last layer, in the deeper half where there are layers enough", () => {
  for (let layers = 1; layers <= 100; layers++) {
    for (let count = 1; count <= Math.min(layers + 1, 12); count++) {
      const taps = spreadTaps(layers, count);
      assertEquals(taps.length, count);
      assertEquals(taps.at(-1), layers);
      taps.forEach((tap, i) => assert(tap >= 0 && tap > (taps[i - 1] ?? -1), `${layers}: ${taps}`));
      if (count === 3) assert(taps[0] >= layers / 2 - 1, `${layers}: ${taps}`);
    }
  }
});

Deno.test("more taps than places are one clear error", () => {
  for (const [layers, count] of [[1, 3], [4, 6], [4, 0], [4, NaN]]) {
    assertThrows(() => spreadTaps(layers, count), OutriderError, `1 to ${layers + 1} taps`);
  }
});
