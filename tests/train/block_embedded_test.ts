/** A block drafter for the chat model that comes with the package, trained briefly: it pays at once. */
import { assert } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { keyOf } from "../../src/core/random.ts";
import {
  blockDraft,
  draftBlockTree,
  llamaModel,
  speculative,
  temperature,
  treeSpeculative,
  verifyToken,
} from "../../src/decode/mod.ts";
import { blockHead, initBlockDrafter, spreadTaps } from "../../src/nn/mod.ts";
import { compile, createDevice, uploadTree } from "../../src/runtime/mod.ts";
import { trainBlockDrafter } from "../../src/train/mod.ts";
import { EMBEDDED, withWeights } from "../models/files.ts";
import { assertPays, embeddedRun, KEPT } from "./embedded_answers.ts";

Deno.test({
  name:
    "a block drafter trained for a minute's part drafts what the embedded model says, and more with trees",
  ignore: EMBEDDED === undefined,
  fn: async () => {
    const device = createDevice(wasmBackend());
    await withWeights(device, EMBEDDED, "keep", async (loaded) => {
      const { file, parameters } = loaded;
      const taps = [...new Set(spreadTaps(file.config.layers, 3))];
      const { stage, finalNorm, heldOut } = await embeddedRun(device, loaded, taps);
      const { config, vocabulary, shared } = stage;
      const scores: number[] = [];
      const { parameters: trained } = await trainBlockDrafter({
        ...stage,
        parameters: initBlockDrafter(keyOf(1), config, finalNorm),
        cachedTokens: KEPT,
        loss: "kld",
        onStep: ({ metrics }) => {
          if (metrics.validationAlpha0 !== undefined) scores.push(metrics.validationAlpha0);
        },
      });
      assert(
        scores[4] > 0.2 && scores[4] > 5 * scores[0],
        `acceptance of the first place: ${scores}`,
      );
      const drafter = uploadTree(device, trained);
      const head = compile(device, blockHead)(drafter, shared.kept);
      const weights = { drafter, embedding: parameters.embedding, head };
      const target = llamaModel({ device, config: file.config, parameters, taps });
      const parts = { device, config, weights, vocabulary };
      const warp = temperature(0);
      const draft = blockDraft(parts);
      const ahead = speculative({ target, draft, warp, verify: verifyToken, gamma: 4 });
      const chain = await assertPays(target, ahead, heldOut);
      const branching = treeSpeculative({ target, draft: draftBlockTree(parts), warp, budget: 16 });
      const tree = await assertPays(target, branching, heldOut);
      assert(tree > 1.15 * chain, `${tree} tokens a pass with trees, ${chain} with chains`);
    });
    device.close();
  },
});
