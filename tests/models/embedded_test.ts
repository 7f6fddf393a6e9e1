/** The chat model that comes with the package, with drafts ahead, on prompts it never saw. */
import { assert, assertEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { foldIn, keyOf } from "../../src/core/random.ts";
import { heldOutPrompts } from "../../src/data/mod.ts";
import {
  draftModel,
  draftPromptLookup,
  llamaModel,
  verifyBlock,
  verifyToken,
} from "../../src/decode/mod.ts";
import { encodeChat } from "../../src/io/mod.ts";
import { initLlama } from "../../src/nn/mod.ts";
import { createDevice, releaseTree, uploadTree } from "../../src/runtime/mod.ts";
import { draftConfig } from "../../src/train/mod.ts";
import { EMBEDDED, withWeights } from "./files.ts";
import { assertSameText, draftedText, plainText } from "./watched.ts";

Deno.test({
  name: "embedded model: speculative text and logits are the plain ones, bit for bit, " +
    "for 200 held-out prompts and gammas 1 to 8",
  ignore: EMBEDDED === undefined,
  fn: async () => {
    const device = createDevice(wasmBackend());
    await withWeights(device, EMBEDDED, "keep", async ({ file, parameters }) => {
      const { config, tokenizer } = file;
      const target = llamaModel({ device, config, parameters });
      const small = draftConfig(config, {});
      const draftParameters = uploadTree(device, initLlama(foldIn(keyOf(1), "draft"), small));
      const untrained = llamaModel({ device, config: small, parameters: draftParameters });
      const ending = { maxTokens: 40, stopTokens: tokenizer.endOfTurn };
      let accepted = 0;
      for (const [index, { prompt: content }] of heldOutPrompts(1, 200).entries()) {
        const prompt = encodeChat(tokenizer, [{ role: "user", content }]);
        const expected = await plainText(target, prompt, ending);
        const common = {
          gamma: 1 + index % 8,
          verify: index % 3 === 0 ? verifyToken : verifyBlock,
        };
        const what = `prompt ${index}, gamma ${common.gamma}`;
        const lookup = { ...common, draft: draftPromptLookup() };
        const looked = await draftedText(target, lookup, prompt, ending);
        assertSameText(looked, expected, `${what}, lookup`);
        accepted += looked.reports.reduce((sum, report) => sum + report.accepted, 0);
        const model = { ...common, draft: draftModel(untrained) };
        const drafted = await draftedText(target, model, prompt, ending);
        assertSameText(drafted, expected, `${what}, untrained draft`);
        if (index % 10 !== 0) continue;
        const self = { ...common, draft: draftModel(target) };
        const own = await draftedText(target, self, prompt, ending);
        assertSameText(own, expected, `${what}, self-draft`);
        for (const report of own.reports) assertEquals(report.accepted, report.drafted);
      }
      assert(accepted > 200, `only ${accepted} looked-up tokens were ever accepted`);
      releaseTree(draftParameters);
    });
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  },
});
