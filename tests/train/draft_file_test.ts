/** A draft's sizes follow its target, and a draft that is written loads again with its bits. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { type HostTensor, hostTensor } from "../../src/core/host_tensor.ts";
import { foldIn, keyOf, uniformInteger } from "../../src/core/random.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { reorderRopeRows } from "../../src/io/rope_rows.ts";
import { loadDenseLlama, openModel, writeGgufModel } from "../../src/io/mod.ts";
import {
  buildLlama,
  initLlama,
  llama,
  type LlamaConfig,
  llamaLogits,
  type LlamaParameters,
  type LlamaRows,
  parameterCount,
  type RopePairing,
  tinyLlama,
} from "../../src/nn/mod.ts";
import { compile, createDevice, read, uploadTree } from "../../src/runtime/mod.ts";
import { draftConfig, PAPER_SHARE, pretrainDraft, weightReader } from "../../src/train/mod.ts";
import { tinyTokenizer, TOKENS } from "../io/tiny_model.ts";
import { withFolder } from "../io/with_folder.ts";
import { bitsOf, COUNTING, DRAFT } from "./world.ts";

/** Seeded targets of many sizes. */
function targetOf(seed: number): LlamaConfig {
  const key = foldIn(keyOf(31), seed);
  const draw = (name: string, count: number) => uniformInteger(foldIn(key, name), count);
  return {
    ...tinyLlama({ width: 64 * (1 + draw("width", 12)), layers: 1 + draw("layers", 30) }),
    vocabulary: 100 + draw("vocabulary", 50_000),
    contextLength: 128 + draw("context", 8192),
    ropeBase: 10_000 + draw("base", 100_000),
    ropePairing: draw("pairing", 2) === 0 ? "half" : "interleaved",
    rmsNormEpsilon: draw("epsilon", 2) === 0 ? 1e-5 : 1e-6,
    tiedEmbeddings: draw("tied", 2) === 0,
  };
}

Deno.test("a draft has the target's vocabulary, context and rotation, and the largest width of its share", () => {
  let filled = 0;
  for (let seed = 0; seed < 100; seed++) {
    const target = targetOf(seed);
    const share = [undefined, 0.005, 0.05, 0.3][seed % 4];
    const layers = [undefined, 2][seed % 2];
    const draft = draftConfig(target, { share, layers });
    for (
      const name of [
        "vocabulary",
        "contextLength",
        "ropeBase",
        "ropePairing",
        "rmsNormEpsilon",
      ] as const
    ) assertEquals(draft[name], target[name]);
    assertEquals(draft.layers, layers ?? 1);
    assertEquals(draft.heads * draft.headWidth, draft.width);
    assertEquals(draft.headWidth % 2, 0, "elements rotate in pairs");
    assertEquals(draft.width % 8, 0);
    const most = (share ?? PAPER_SHARE) * parameterCount(target);
    const wider = draftConfig(target, { layers, width: draft.width + 8 });
    assert(parameterCount(wider) > most, "a wider one has more than its share");
    if (draft.width === 8) continue;
    assert(parameterCount(draft) <= most, `${parameterCount(draft)} of at most ${most}`);
    filled++;
  }
  assert(filled > 40, `only ${filled} targets are large enough to say something`);
});

Deno.test("sizes that no draft can have are refused with one line", () => {
  const target = targetOf(1);
  const cases = [
    [{ width: 0 }, "width"],
    [{ width: -8 }, "width"],
    [{ width: 12 }, "width"],
    [{ width: NaN }, "width"],
    [{ width: Infinity }, "width"],
    [{ layers: 0 }, "layers"],
    [{ layers: 1.5 }, "layers"],
    [{ layers: NaN }, "layers"],
    [{ share: 0 }, "share"],
    [{ share: -1 }, "share"],
    [{ share: NaN }, "share"],
    [{ share: Infinity }, "share"],
  ] as const;
  for (const [sizes, name] of cases) {
    const error = assertThrows(() => draftConfig(target, sizes), OutriderError, name);
    assert(!error.message.includes("\n"));
  }
});

Deno.test("the reader of weights gives every parameter by its name, and names what it lacks", () => {
  const parameters = initLlama(keyOf(3), DRAFT);
  const readWeight = weightReader(parameters);
  let count = 0;
  buildLlama(DRAFT, ({ name, shape }) => {
    const values = readWeight(name);
    assertEquals(values.length, shape.reduce((a, b) => a * b, 1), name);
    count += values.length;
  });
  assertEquals(count, parameterCount(DRAFT));
  assertEquals(readWeight("layers.0.down"), parameters.layers[0].down.data);
  assertThrows(() => readWeight("layers.1.down"), OutriderError, "layers.1.down");
  const integers = weightReader({ a: hostTensor(Int32Array.of(1)) });
  assertThrows(() => integers("a"), OutriderError, "f32 values of a");
});

/** A draft before it was written and after it was read. */
interface RoundTrip {
  readonly config: LlamaConfig;
  readonly parameters: LlamaParameters<HostTensor>;
  readonly loadedConfig: LlamaConfig;
  readonly loaded: LlamaParameters<HostTensor>;
}

/** Logits of some rows by a draft, on wasm. */
async function logitsOf(config: LlamaConfig, parameters: LlamaParameters<HostTensor>) {
  const device = createDevice(wasmBackend());
  const rows = Int32Array.from({ length: 24 }, (_, row) => row);
  const batch = uploadTree(device, {
    tokens: hostTensor(rows.map((row) => (row * 37) % config.vocabulary)),
    positions: hostTensor(rows),
    start: hostTensor(new Int32Array(rows.length)),
    end: hostTensor(rows.map((row) => row + 1)),
  });
  const run = compile(
    device,
    (weights: LlamaParameters<Tensor>, rows: LlamaRows) =>
      llamaLogits(weights, llama(config, weights, rows).hidden),
  );
  const logits = await read(run(uploadTree(device, parameters), batch));
  device.close();
  return logits;
}

/** Trains a draft, writes it, and opens it again. */
async function roundTrip(ropePairing: RopePairing, use: (trip: RoundTrip) => Promise<void>) {
  await withFolder(async (folder) => {
    const device = createDevice(wasmBackend());
    const target = tinyLlama({ width: 64, layers: 4, vocabulary: TOKENS.length, ropePairing });
    // The format keeps single-precision numbers.
    const rmsNormEpsilon = Math.fround(target.rmsNormEpsilon);
    const config = draftConfig({ ...target, rmsNormEpsilon }, { layers: 2, width: 24 });
    const run = { steps: 5, rowsPerBatch: 64, rate: 0.01, seed: 1 };
    const { parameters } = await pretrainDraft({ device, config, corpus: COUNTING, ...run });
    device.close();
    const path = `${folder}/draft.gguf`;
    const readWeight = weightReader(parameters);
    const tokenizer = tinyTokenizer();
    await writeGgufModel(path, { name: "draft", config, tokenizer, readWeight, format: "F32" });
    const file = await openModel(path);
    try {
      const loaded = await loadDenseLlama(file);
      await use({ config, parameters, loadedConfig: file.config, loaded });
    } finally {
      file.close();
    }
  });
}

Deno.test("a trained draft of an interleaved target is written and loads with equal logits, bit for bit", () =>
  roundTrip("interleaved", async ({ config, parameters, loadedConfig, loaded }) => {
    assertEquals(loadedConfig, config);
    assertEquals(bitsOf(loaded), bitsOf(parameters));
    const expected = await logitsOf(config, parameters);
    assert(new Set(expected).size > 1000, "the logits say something");
    assertEquals(await logitsOf(loadedConfig, loaded), expected);
  }));

Deno.test("a draft with half rotation loads as the interleaved one of the same weights, bit for bit", () =>
  roundTrip("half", async ({ config, parameters, loadedConfig, loaded }) => {
    // The format has one order of rotated rows only; the others stay where they are.
    assertEquals(loadedConfig, { ...config, ropePairing: "interleaved" });
    const readWeight = weightReader(parameters);
    const reordered = buildLlama(config, ({ name, shape }) => {
      const values = readWeight(name);
      const isRotated = name.endsWith(".query") || name.endsWith(".key");
      return hostTensor(
        isRotated ? reorderRopeRows(values, config, "interleaved") : values,
        shape,
      );
    });
    assertEquals(bitsOf(loaded), bitsOf(reordered));
    // Sums over a head's elements run in another order, so the logits agree to rounding.
    const [found, expected] = [
      await logitsOf(loadedConfig, loaded),
      await logitsOf(config, parameters),
    ];
    const largest = Math.max(...[...expected].map(Math.abs));
    found.forEach((value, i) => assertAlmostEquals(value, expected[i], 1e-6 * largest));
  }));
