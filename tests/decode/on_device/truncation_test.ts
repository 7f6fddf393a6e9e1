/** What a sampling keeps on a device is what the host's warps keep. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { wasmBackend } from "../../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../../src/core/errors.ts";
import { hostTensor } from "../../../src/core/host_tensor.ts";
import { foldIn, keyOf, normals } from "../../../src/core/random.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import {
  chainWarps,
  logitsOf,
  minP,
  probabilities,
  temperature,
  topK,
  topP,
} from "../../../src/decode/mod.ts";
import { distributionsOf, probabilitiesOf } from "../../../src/decode/on_device/distribution.ts";
import {
  checkSampling,
  numbersOf,
  type Sampling,
  type SamplingNumbers,
} from "../../../src/decode/on_device/sampling.ts";
import {
  compile,
  createDevice,
  type Device,
  read,
  releaseTree,
  uploadTree,
} from "../../../src/runtime/mod.ts";
import { BACKENDS, testOn } from "../../conformance/backends.ts";

/** The probabilities of rows on a device. */
function probabilitiesOn(device: Device) {
  const run = compile(
    device,
    (logits: Tensor, numbers: SamplingNumbers<Tensor>) =>
      probabilitiesOf(distributionsOf(logits, numbers)),
  );
  return async (rows: readonly Float32Array[], sampling: Sampling): Promise<Float32Array[]> => {
    const [width] = rows.map((row) => row.length);
    const values = Float32Array.from(rows.flatMap((row) => [...row]));
    const logits = hostTensor(values, [rows.length, width]);
    const given = uploadTree(device, [logits, numbersOf(sampling)] as const);
    const made = run(...given);
    const found = await read(made);
    releaseTree([given, made]);
    return rows.map((_, i) => Float32Array.from(found.slice(i * width, (i + 1) * width)));
  };
}

function warpOf({ temperature: at, topK: count, topP: mass, minP: fraction }: Sampling) {
  return chainWarps(
    temperature(at),
    ...(count ? [topK(count)] : []),
    ...(mass === undefined ? [] : [topP(mass)]),
    ...(fraction ? [minP(fraction)] : []),
  );
}

/** Rows from flat to sharp; every second one on a grid, so that ties lie at the cuts. */
function rowsOf(width: number): Float32Array[] {
  return [0.3, 1, 3, 9].flatMap((spread, i) => {
    const row = normals(foldIn(keyOf(width), i), width).map((value) => value * spread);
    return [row, row.map((value) => Math.round(value * 2) / 2)];
  });
}

const SAMPLINGS: readonly Sampling[] = [
  { temperature: 1 },
  { temperature: 0.7 },
  { temperature: 1, topK: 1 },
  { temperature: 1.3, topK: 7 },
  { temperature: 1, topK: 1000 },
  { temperature: 1, topP: 0 },
  { temperature: 1, topP: 0.1 },
  { temperature: 0.7, topP: 0.9 },
  { temperature: 1, minP: 0.2 },
  { temperature: 0.8, topK: 20, topP: 0.95, minP: 0.02 },
];

async function checkWidth(device: Device, width: number): Promise<void> {
  const run = probabilitiesOn(device);
  for (const sampling of SAMPLINGS) {
    const rows = rowsOf(width);
    const found = await run(rows, sampling);
    rows.forEach((row, i) => {
      const wanted = probabilities(warpOf(sampling), logitsOf(row), []);
      const name = `row ${i} of ${width}, ${JSON.stringify(sampling)}`;
      found[i].forEach((p, token) => {
        assert(Math.abs(p - wanted[token]) < 2 ** -21, `${p} for ${wanted[token]}, ${name}`);
        // What the host keeps with a probability that f32 can show, the device keeps, and no more.
        if (wanted[token] === 0) assertEquals(p, 0, `${name}, token ${token}`);
        if (wanted[token] > 1e-30) assert(p > 0, `${name}, token ${token}`);
      });
    });
  }
}

for (const backend of BACKENDS) {
  testOn(
    backend,
    "top-k, top-p and min-p on the device keep what they keep on the host",
    async (made) => {
      const device = createDevice(made);
      for (const width of [5, 200]) await checkWidth(device, width);
      device.close();
    },
  );
}

Deno.test("rows from one token to a large vocabulary are cut as on the host", async () => {
  const device = createDevice(wasmBackend());
  for (const width of [1, 64, 65, 300, 8192]) await checkWidth(device, width);
  device.close();
});

Deno.test("a sampling out of range is refused", () => {
  for (
    const [wrong, message] of [
      [{ temperature: -1 }, "temperature of 0"],
      [{ temperature: NaN }, "temperature of 0"],
      [{ temperature: 1, topK: 1.5 }, "top-k of 0 or more"],
      [{ temperature: 1, topP: -0.1 }, "top-p from 0 to 1"],
      [{ temperature: 1, topP: 1.1 }, "top-p from 0 to 1"],
      [{ temperature: 1, minP: 2 }, "min-p from 0 to 1"],
    ] as const
  ) assertThrows(() => checkSampling(wrong), OutriderError, message);
});
