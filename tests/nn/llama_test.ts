import { assert, assertEquals } from "@std/assert";
import { referenceBackend } from "../../src/backends/reference/mod.ts";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { add, full, mul } from "../../src/core/elementwise_ops.ts";
import { isTensor } from "../../src/core/grad.ts";
import { isHostTensor } from "../../src/core/host_tensor.ts";
import { constant, input, iota } from "../../src/core/movement_ops.ts";
import { keyOf } from "../../src/core/random.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { leavesOf, mapTree } from "../../src/core/tree.ts";
import { llamaModel } from "../../src/decode/mod.ts";
import { crossEntropy } from "../../src/losses/mod.ts";
import {
  buildLlama,
  initLlama,
  llama,
  type LlamaConfig,
  llamaLogits,
  type LlamaParameters,
  type LlamaRows,
  parameterCount,
} from "../../src/nn/mod.ts";
import { makePlan } from "../../src/plan/mod.ts";
import { type Backend, createDevice, uploadTree } from "../../src/runtime/mod.ts";
import { checkDerivatives } from "../core/finite_differences.ts";
import { plainLogits } from "./plain_llama.ts";
import { CONFIGS, smallConfig, smallWeights } from "./small_models.ts";

const TOKENS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 10, 0];
const BACKENDS: readonly (readonly [string, () => Backend])[] = [
  ["reference", referenceBackend],
  ["wasm", () => wasmBackend()],
];

function parametersOf(config: LlamaConfig): LlamaParameters<Tensor> {
  return buildLlama(config, ({ name, shape }) => input(shape, "f32", name));
}

/** Rows of one text from its first token on. */
function textRows(tokens: Tensor): LlamaRows {
  const rows = iota(tokens.shape, 0);
  return { tokens, positions: rows, start: full(tokens.shape, 0, "i32"), end: add(rows, 1) };
}

for (const [special, config] of Object.entries(CONFIGS)) {
  for (const [name, backend] of BACKENDS) {
    Deno.test(`a Llama with ${special} is the plain transformer on ${name}, in any split of rows`, async () => {
      const weights = smallWeights(config);
      const plain = mapTree(weights, isHostTensor, ({ data }) => Float32Array.from(data));
      const expected = plainLogits(config, plain, TOKENS);
      const device = createDevice(backend());
      const model = llamaModel({ device, config, parameters: uploadTree(device, weights) });
      for (const cut of [[13], [5, 8], [1, 1, 1, 10], [12, 1]]) {
        let cache = model.open();
        let from = 0;
        for (const count of cut) {
          const part = TOKENS.slice(from, from + count);
          const passed = await model.forward(cache, part, count);
          cache = passed.cache;
          passed.logits.forEach((row, i) =>
            row.forEach((value, id) => {
              const wanted = expected[from + i][id];
              const error = Math.abs(value - wanted) / Math.max(1, Math.abs(wanted));
              assert(error < 1e-5, `row ${from + i}, token ${id}: ${value}, not ${wanted}`);
            })
          );
          from += count;
        }
        model.close(cache);
      }
      device.close();
    });
  }

  Deno.test(`the gradient of the loss of a Llama with ${special}, orders 1 and 2`, () => {
    const small = { ...config, layers: 1, contextLength: 8 };
    const weights = smallWeights(small);
    const shapes = leavesOf(weights, isHostTensor).map(({ shape }) => shape);
    checkDerivatives({
      shapes,
      f: (...variables) => {
        // Small steps around the weights: rows of small norm bend too much for the stencil.
        const steps = [...variables];
        const parameters = mapTree(
          weights,
          isHostTensor,
          ({ data, shape }) =>
            add(constant(Float32Array.from(data), shape), mul(steps.shift() ?? 0, 0.2)),
        );
        const tokens = constant(Int32Array.of(2, 7, 7, 0), [4]);
        const targets = constant(Int32Array.of(7, 7, 0, 4), [4]);
        const logits = llamaLogits(parameters, llama(small, parameters, textRows(tokens)).hidden);
        return crossEntropy(logits, targets, full([4], 1));
      },
    });
  });
}

Deno.test("hidden states of all layers cost nothing where nobody uses them", () => {
  const config = smallConfig({ layers: 3 });
  const parameters = parametersOf(config);
  const tokens = input([5], "i32", "tokens");
  const output = llama(config, parameters, textRows(tokens));
  const logits = llamaLogits(parameters, output.hidden);
  const inputs = [...leavesOf(parameters, isTensor), tokens];
  const without = makePlan({ inputs, outputs: [logits] });
  const used = makePlan({ inputs, outputs: [logits, output.hiddenStates[1]] });
  assertEquals(output.hiddenStates.length, config.layers + 1);
  assertEquals(used.outputPorts.map(({ shape }) => shape), [[5, 11], [5, 12]]);
  // Handing one out stores it and computes nothing twice.
  assert(used.commands.length <= without.commands.length + 1, "at most one more command");
  assertEquals(without.outputPorts.length, 1);
});

Deno.test("first weights have the shapes, the deviations and the count of their configuration", () => {
  for (const config of Object.values(CONFIGS)) {
    const leaves = leavesOf(initLlama(keyOf(5), config), isHostTensor);
    const count = leaves.reduce((sum, { data }) => sum + data.length, 0);
    assertEquals(count, parameterCount(config));
  }
  const config = smallConfig({ width: 64, vocabulary: 256, layers: 2, feedForwardWidth: 128 });
  const { embedding, finalNorm, layers: [layer] } = initLlama(keyOf(5), config);
  const deviation = ({ data }: { data: ArrayLike<number> }) =>
    Math.hypot(...Array.from(data)) / Math.sqrt(data.length);
  assert(Math.abs(deviation(embedding) / 0.02 - 1) < 0.05);
  assert(Math.abs(deviation(layer.gate) / 64 ** -0.5 - 1) < 0.05);
  assert(Math.abs(deviation(layer.down) / (128 ** -0.5 / 2) - 1) < 0.05);
  assertEquals(new Set(finalNorm.data), new Set([1]));
});
