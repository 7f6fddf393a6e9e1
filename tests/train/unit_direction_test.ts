/** Hidden states measure about 1 along the direction that is found, and so a head has a bias. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { isHostTensor } from "../../src/core/host_tensor.ts";
import { hostTensor } from "../../src/core/mod.ts";
import { foldIn, keyOf, normals } from "../../src/core/random.ts";
import { mapTree } from "../../src/core/tree.ts";
import { llamaModel, softmax } from "../../src/decode/mod.ts";
import { evenHeadRows, expandRows } from "../../src/io/mod.ts";
import { tinyLlama, trimmedVocabulary } from "../../src/nn/mod.ts";
import { createDevice, uploadTree } from "../../src/runtime/mod.ts";
import { ownHiddenStates, unitDirection } from "../../src/train/mod.ts";
import { smallWeights } from "../nn/small_models.ts";

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a, (value, i) => value * b[i]).reduce((sum, product) => sum + product, 0);

/** Rows with a common part. */
function rowsOf(seed: number, rows: number, width: number, common: number): Float32Array {
  const part = normals(foldIn(keyOf(seed), "common"), width);
  return normals(keyOf(seed), rows * width).map((value, i) => value + common * part[i % width]);
}

Deno.test("no vector near the direction found measures the rows closer to 1", () => {
  for (let seed = 0; seed < 20; seed++) {
    const width = 1 + seed % 6;
    const hidden = rowsOf(seed, 40, width, seed % 3);
    const unit = unitDirection(hidden, width);
    const loss = (vector: ArrayLike<number>): number => {
      let sum = 0;
      for (let row = 0; row < 40; row++) {
        sum += (dot(hidden.subarray(row * width, (row + 1) * width), vector) - 1) ** 2;
      }
      return sum;
    };
    const least = loss(unit);
    for (let i = 0; i < width; i++) {
      for (const step of [-0.05, 0.05]) {
        assert(loss(unit.map((value, j) => i === j ? value + step : value)) > least);
      }
    }
  }
});

Deno.test("rows with a large common part measure 1 almost exactly, those without a row are refused", () => {
  const hidden = rowsOf(3, 200, 8, 30);
  const unit = unitDirection(hidden, 8);
  for (let row = 0; row < 200; row++) {
    assertAlmostEquals(dot(hidden.subarray(row * 8, row * 8 + 8), unit), 1, 0.1);
  }
  for (const nothing of [new Float32Array(0), new Float32Array(16)]) {
    assertThrows(() => unitDirection(nothing, 8), OutriderError, "hidden states");
  }
});

/** A draft of five classes whose hidden states have a common part, as those of trained models do. */
function openDraft() {
  const config = tinyLlama({ width: 16, heads: 2, vocabulary: 5, contextLength: 64 });
  const drawn = smallWeights(config);
  const tilted = drawn.embedding.data.map((value, i) => value + 3 * Math.sin(i % 16));
  const parameters = { ...drawn, embedding: hostTensor(tilted, drawn.embedding.shape) };
  return { config, parameters };
}

Deno.test("tokens outside share the probability of their class, and those inside keep their logits", async () => {
  const { config, parameters } = openDraft();
  const vocabulary = trimmedVocabulary([1, 3, 4, 9], 60);
  const device = createDevice(wasmBackend({ threads: 1 }));
  const texts = { device, config, texts: 24, length: 32 };
  const uploaded = uploadTree(device, parameters);
  const unit = unitDirection(
    await ownHiddenStates({ ...texts, parameters: uploaded, seed: 1 }),
    config.width,
  );
  const embedding = Float32Array.from(parameters.embedding.data);
  const rows = (values: Float32Array) => hostTensor(values, [60, config.width]);
  const whole = {
    ...parameters,
    embedding: rows(expandRows(embedding, config.width, vocabulary)),
    head: rows(evenHeadRows(embedding, vocabulary, unit)),
  };
  const draft = llamaModel({ device, config, parameters: uploaded });
  const expanded = llamaModel({
    device,
    config: { ...config, vocabulary: 60, tiedEmbeddings: false },
    parameters: uploadTree(device, whole),
  });
  const text = [1, 0, 3, 50, 4, 9, 2, 1, 1, 33];
  const known = await draft.forward(draft.open(), text.map(vocabulary.classOf), text.length);
  const found = await expanded.forward(expanded.open(), text, text.length);
  known.logits.forEach((logits, i) => {
    vocabulary.tokenIds.forEach((token, j) => assertEquals(found.logits[i][token], logits[j]));
    const mass = softmax(found.logits[i]).reduce(
      (sum, p, token) => vocabulary.classOf(token) === vocabulary.other ? sum + p : sum,
      0,
    );
    const expected = softmax(logits)[vocabulary.other];
    assertAlmostEquals(Math.log(mass / (1 - mass)), Math.log(expected / (1 - expected)), 1);
  });
  device.close();
});

Deno.test("a model's own hidden states are those of its texts, the same for a seed, and nothing stays on the device", async () => {
  const { config, parameters } = openDraft();
  const device = createDevice(wasmBackend({ threads: 1 }));
  const uploaded = uploadTree(device, parameters);
  const { liveSlots } = device.counters();
  const own = (seed: number) =>
    ownHiddenStates({ device, config, parameters: uploaded, texts: 3, length: 8, seed });
  const [first, again, other] = [await own(5), await own(5), await own(6)];
  assertEquals(first.length, 3 * 8 * config.width);
  assertEquals(again, first);
  assert(other.some((value, i) => value !== first[i]));
  assert(first.every(Number.isFinite));
  assertEquals(device.counters().liveSlots, liveSlots);
  // The final norm leaves every row with the same root mean square under its own weights.
  const weights = mapTree(parameters.finalNorm, isHostTensor, ({ data }) => data);
  for (let row = 0; row < 24; row++) {
    const normed = first.subarray(row * 16, row * 16 + 16).map((value, i) => value / weights[i]);
    assertAlmostEquals(dot(normed, normed) / 16, 1, 1e-3);
  }
  device.close();
});
