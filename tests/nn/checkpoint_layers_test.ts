/** A Llama whose layers are computed again in the backward pass: the same bits in less memory. */
import { assert, assertEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import {
  add,
  checkpoint,
  full,
  hostTensor,
  input,
  iota,
  isTensor,
  leavesOf,
  type Tensor,
  valueAndGrad,
} from "../../src/core/mod.ts";
import { crossEntropy } from "../../src/losses/mod.ts";
import {
  buildLlama,
  type LayerTransform,
  llama,
  type LlamaConfig,
  llamaLogits,
  type LlamaParameters,
  tinyLlama,
} from "../../src/nn/mod.ts";
import { globalNorm } from "../../src/optim/mod.ts";
import { makePlan } from "../../src/plan/mod.ts";
import { compile, createDevice, read, upload, uploadTree } from "../../src/runtime/mod.ts";
import { CONFIGS, smallWeights } from "./small_models.ts";

const asItIs: LayerTransform = (layer) => layer;

/** The loss of one text, its gradients, and their norm. */
function scored(config: LlamaConfig, through: LayerTransform) {
  return (parameters: LlamaParameters<Tensor>, tokens: Tensor, targets: Tensor) => {
    const positions = iota(tokens.shape, 0);
    const start = full(tokens.shape, 0, "i32");
    const rows = { tokens, positions, start, end: add(positions, 1) };
    const loss = (p: LlamaParameters<Tensor>) => {
      const { hidden } = llama(config, p, rows, undefined, through);
      return crossEntropy(llamaLogits(p, hidden), targets, full(targets.shape, 1));
    };
    const { value, gradients } = valueAndGrad(loss)(parameters);
    return [globalNorm(gradients), value, ...leavesOf(gradients, isTensor)];
  };
}

for (const [special, config] of Object.entries(CONFIGS)) {
  Deno.test(`loss and gradients of a Llama with ${special} have the same bits with checkpoints`, async () => {
    const device = createDevice(wasmBackend());
    const parameters = uploadTree(device, smallWeights(config));
    const [tokens, targets] = [[3, 1, 4, 1, 5, 9, 2], [1, 4, 1, 5, 9, 2, 6]]
      .map((ids) => upload(device, hostTensor(Int32Array.from(ids))));
    const [plain, saving] = [asItIs, checkpoint].map((through) =>
      compile(device, scored(config, through))(parameters, tokens, targets)
    );
    for (const [i, found] of saving.entries()) {
      assertEquals(await read(found), await read(plain[i]), `output ${i}`);
    }
    device.close();
  });
}

/** Bytes of the temporaries of loss and gradients. */
function temporaryBytes(layers: number, rows: number, through: LayerTransform): number {
  const config = tinyLlama({ layers, width: 64, heads: 4, headWidth: 16, vocabulary: 256 });
  const parameters = buildLlama(config, ({ shape }) => input(shape));
  const [tokens, targets] = [input([rows], "i32"), input([rows], "i32")];
  const outputs = scored(config, through)(parameters, tokens, targets);
  const inputs = [...leavesOf(parameters, isTensor), tokens, targets];
  return makePlan({ inputs, outputs }).slots.reduce((total, bytes) => total + bytes, 0);
}

Deno.test("the backward pass of eight layers of 512 rows needs a quarter of the memory", () => {
  const [plain, saving] = [asItIs, checkpoint].map((through) => temporaryBytes(8, 512, through));
  assert(saving < 0.25 * plain, `${saving} of ${plain} bytes`);
});

Deno.test("with checkpoints a further layer costs what enters it and nothing else", () => {
  const entering = 512 * 64 * 4;
  const growth = temporaryBytes(12, 512, checkpoint) - temporaryBytes(8, 512, checkpoint);
  assert(growth <= 4 * entering, `${growth / 4} bytes per layer`);
});
