/** A CTC drafter for the chat model that comes with the package, trained briefly: it pays at once. */
import { assert, assertEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { keyOf } from "../../src/core/random.ts";
import { corpusOf, tokenCounts } from "../../src/data/mod.ts";
import {
  autoregressive,
  draftCtc,
  generate,
  limit,
  llamaModel,
  temperature,
  treeSpeculative,
} from "../../src/decode/mod.ts";
import { ctcHead, initCtcDrafter, tinyBlockDrafter, trimVocabulary } from "../../src/nn/mod.ts";
import { compile, createDevice, uploadTree } from "../../src/runtime/mod.ts";
import { readSharedWeights, trainCtcDrafter } from "../../src/train/mod.ts";
import { EMBEDDED, withWeights } from "../models/files.ts";
import { embeddedAnswers, promptOf } from "./embedded_answers.ts";

Deno.test({
  name: "a CTC drafter trained for a minute's part drafts what the embedded model says",
  ignore: EMBEDDED === undefined,
  fn: async () => {
    const device = createDevice(wasmBackend());
    await withWeights(device, EMBEDDED, "keep", async (loaded) => {
      const { file, parameters } = loaded;
      const { width, layers, vocabulary: tokens, headWidth, contextLength } = file.config;
      const taps = [layers];
      const { set, heldOut } = await embeddedAnswers(device, loaded, taps);
      const vocabulary = trimVocabulary(tokenCounts(set, tokens), 300, file.tokenizer.endOfTurn);
      const config = tinyBlockDrafter({
        ...{ width, taps, headWidth, contextLength, heads: 4, keyValueHeads: 2 },
        ...{ contextWidth: 64, feedForwardWidth: 192, block: 4 },
      });
      const { shared, finalNorm } = await readSharedWeights(file, vocabulary);
      const onDevice = uploadTree(device, shared);
      const [scores, losses]: [number[], number[]] = [[], []];
      const { parameters: trained } = await trainCtcDrafter({
        device,
        config,
        parameters: initCtcDrafter(keyOf(1), config, finalNorm),
        shared: onDevice,
        vocabulary,
        set,
        labels: 3,
        of: "greedy",
        loss: "prefix",
        steps: 150,
        schedule: "constant",
        rowsPerBatch: 512,
        anchors: 64,
        rate: 0.008,
        seed: 1,
        validation: { corpus: corpusOf(heldOut), every: 30, batches: 1 },
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
      const head = compile(device, ctcHead)(drafter, onDevice.kept);
      const weights = { drafter, embedding: parameters.embedding, head };
      const target = llamaModel({ device, config: file.config, parameters, taps });
      const draft = draftCtc({ device, config, weights, vocabulary });
      const warp = temperature(0);
      const key = keyOf(1);
      let [passes, written] = [0, 0];
      for (const document of heldOut.slice(0, 4)) {
        const prompt = promptOf(document);
        const plain = await generate(limit(autoregressive({ target, warp }), 32), prompt, { key });
        const decoder = treeSpeculative({ target, draft, warp, budget: 12 });
        const drafted = await generate(limit(decoder, 32), prompt, { key });
        assertEquals(drafted.tokens, plain.tokens);
        [passes, written] = [passes + drafted.reports.length, written + drafted.tokens.length];
      }
      assert(written > 1.2 * passes, `${written} tokens in ${passes} passes`);
    });
    device.close();
  },
});
