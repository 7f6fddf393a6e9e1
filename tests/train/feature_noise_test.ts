/** Noise on features: as much of it as was asked for, and the same whenever a run comes to a batch. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { foldIn, hostTensor, keyOf, normals } from "../../src/core/mod.ts";
import { type FeatureNoise, noisyFeatures, noisySource } from "../../src/train/mod.ts";

const COUNT = 40_001; // odd: numbers are drawn in pairs
const FEATURES = hostTensor(normals(keyOf(1), COUNT), [COUNT, 1]);

const noisy = (options: FeatureNoise, seed = 2): Float32Array =>
  Float32Array.from(noisyFeatures(FEATURES, keyOf(seed), options).data);

Deno.test("as many numbers are dropped as asked for, and the rest keeps the mean", () => {
  for (const dropout of [0, 0.1, 0.5, 0.95]) {
    const values = noisy({ dropout, noise: 0 });
    const dropped = values.filter((value) => value === 0).length;
    const deviation = Math.sqrt(COUNT * dropout * (1 - dropout));
    assert(Math.abs(dropped - COUNT * dropout) <= 5 * deviation, `${dropout}: ${dropped}`);
    values.forEach((value, i) => {
      if (value !== 0) assertAlmostEquals(value * (1 - dropout), FEATURES.data[i], 1e-6);
    });
  }
  assertEquals(noisy({ dropout: 0, noise: 0 }), FEATURES.data);
});

Deno.test("noise is uniform between its bounds, and independent of what is dropped", () => {
  const values = noisy({ dropout: 0.5, noise: 0.3 });
  const offsets = Array.from(values, (value, i) => value === 0 ? NaN : value / 2 - FEATURES.data[i])
    .filter(Number.isFinite);
  const tenths = new Array(10).fill(0);
  offsets.forEach((offset) => tenths[Math.floor((offset / 0.3 + 1) * 5)]++);
  assertEquals(tenths.length, 10, "none lies outside");
  const expected = offsets.length / 10;
  const deviation = Math.sqrt(expected * 0.9);
  tenths.forEach((count) => assert(Math.abs(count - expected) <= 5 * deviation, `${tenths}`));
});

Deno.test("a key decides the noise, and numbers do not depend on how many there are", () => {
  const options = { dropout: 0.2, noise: 0.1 };
  const first = noisy(options);
  assertEquals(noisy(options), first);
  const differing = noisy(options, 3).filter((value, i) => value !== first[i]).length;
  assert(differing > COUNT / 2);
  const few = noisyFeatures(hostTensor(FEATURES.data.slice(0, 7), [7, 1]), keyOf(2), options);
  assertEquals(few.data, first.slice(0, 7));
});

Deno.test("every batch has noise of its own, the same whenever a run comes to it", () => {
  const source = {
    init: () => [{ epoch: 0, index: 0, offset: 0 }],
    step: (
      [{ epoch, index, offset }]: readonly { epoch: number; index: number; offset: number }[],
    ) => ({
      batch: { features: FEATURES, other: index },
      positions: [
        index === 2 ? { epoch: epoch + 1, index: 0, offset } : { epoch, index: index + 1, offset },
      ],
    }),
  };
  const made = noisySource(source, foldIn(keyOf(1), "noise"), { dropout: 0.2, noise: 0.1 });
  const seen: string[] = [];
  let positions = made.init();
  for (let step = 0; step < 6; step++) {
    const { batch, positions: next } = made.step(positions);
    assertEquals(batch.other, step % 3);
    assertEquals(made.step(structuredClone(positions)).batch.features.data, batch.features.data);
    seen.push(batch.features.data.slice(0, 50).join());
    positions = next;
  }
  assertEquals(new Set(seen).size, 6);
  assertEquals(noisySource(source, keyOf(1), { dropout: 0, noise: 0 }), source);
});

Deno.test("what leaves no features is refused", () => {
  for (
    const [options, message] of [
      [{ dropout: 1, noise: 0 }, "a dropout from 0 to below 1"],
      [{ dropout: -0.1, noise: 0 }, "a dropout from 0 to below 1"],
      [{ dropout: NaN, noise: 0 }, "a dropout from 0 to below 1"],
      [{ dropout: 0, noise: -1 }, "noise of 0 or more"],
      [{ dropout: 0, noise: Infinity }, "noise of 0 or more"],
    ] as const
  ) {
    assertThrows(() => noisyFeatures(FEATURES, keyOf(1), options), OutriderError, message);
    const source = {
      init: () => [],
      step: () => ({ batch: { features: FEATURES }, positions: [] }),
    };
    assertThrows(() => noisySource(source, keyOf(1), options), OutriderError, message);
  }
});
