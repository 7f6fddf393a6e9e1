/** A CTC drafter for the chat model that comes with the package, trained briefly: it pays at once. */
import { assert } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { keyOf } from "../../src/core/random.ts";
import { draftCtc, llamaModel, temperature, treeSpeculative } from "../../src/decode/mod.ts";
import { ctcHead, initCtcDrafter } from "../../src/nn/mod.ts";
import { compile, createDevice, uploadTree } from "../../src/runtime/mod.ts";
import { trainCtcDrafter } from "../../src/train/mod.ts";
import { EMBEDDED, withWeights } from "../models/files.ts";
import { assertPays, embeddedRun } from "./embedded_answers.ts";

Deno.test({
  name: "a CTC drafter trained for a minute's part drafts what the embedded model says",
  ignore: EMBEDDED === undefined,
  fn: async () => {
    const device = createDevice(wasmBackend());
    await withWeights(device, EMBEDDED, "keep", async (loaded) => {
      const { file, parameters } = loaded;
      const taps = [file.config.layers];
      const { stage, finalNorm, heldOut } = await embeddedRun(device, loaded, taps);
      const { config, vocabulary, shared } = stage;
      const [scores, losses]: [number[], number[]] = [[], []];
      const { parameters: trained } = await trainCtcDrafter({
        ...stage,
        parameters: initCtcDrafter(keyOf(1), config, finalNorm),
        labels: 3,
        of: "greedy",
        loss: "prefix",
        onStep: ({ metrics }) => {
          losses.push(metrics.loss);
          if (metrics.validationAlpha0 !== undefined) scores.push(metrics.validationAlpha0);
        },
      });
      const first = losses.slice(0, 10).reduce((sum, loss) => sum + loss / 10, 0);
      const last = losses.slice(-10).reduce((sum, loss) => sum + loss / 10, 0);
      assert(last < 0.8 * first, `the loss: ${first}, then ${last}`);
      assert(scores[4] > 0.15 && scores[4] > 3 * scores[0], `of first tokens: ${scores}`);
      const drafter = uploadTree(device, trained);
      const head = compile(device, ctcHead)(drafter, shared.kept);
      const weights = { drafter, embedding: parameters.embedding, head };
      const target = llamaModel({ device, config: file.config, parameters, taps });
      const draft = draftCtc({ device, config, weights, vocabulary });
      const decoder = treeSpeculative({ target, draft, warp: temperature(0), budget: 12 });
      await assertPays(target, decoder, heldOut);
    });
    device.close();
  },
});
