/** A block drafter for the chat model that comes with the package, trained briefly: it pays at once. */
import { assert, assertEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { keyOf } from "../../src/core/random.ts";
import { corpusOf, openPrompts, responseDocument, tokenCounts } from "../../src/data/mod.ts";
import {
  autoregressive,
  blockDraft,
  generate,
  limit,
  llamaModel,
  speculative,
  temperature,
  verifyToken,
} from "../../src/decode/mod.ts";
import { encodeChat } from "../../src/io/mod.ts";
import {
  blockHead,
  initBlockDrafter,
  spreadTaps,
  tinyBlockDrafter,
  trimVocabulary,
} from "../../src/nn/mod.ts";
import { compile, createDevice, type Device, uploadTree } from "../../src/runtime/mod.ts";
import {
  distilledEntries,
  readSharedWeights,
  setFeatures,
  trainBlockDrafter,
} from "../../src/train/mod.ts";
import { EMBEDDED, type Loaded, withWeights } from "../models/files.ts";

const KEPT = 16;

/** The target's answers with its distributions and features. */
async function answersOf(device: Device, { file, parameters }: Loaded, taps: readonly number[]) {
  const conversations = await openPrompts("language", { seed: 1, count: 240 });
  const prompts = conversations.map((turns) => encodeChat(file.tokenizer, turns))
    .filter(({ length }) => length <= 96);
  const target = { config: file.config, parameters };
  const taught = await Array.fromAsync(distilledEntries({
    device,
    target,
    prompts,
    done: 0,
    temperatures: [0, 0.7],
    topP: 0.95,
    maximumTokens: 40,
    stopTokens: file.tokenizer.endOfTurn,
    seed: 1,
    sequences: 32,
    teacherTokens: KEPT,
  }));
  const entries = taught.map(({ entry }) => entry);
  const mostRows = file.config.contextLength;
  const features = await Array.fromAsync(setFeatures(entries, { device, target, taps, mostRows }));
  const width = taps.length * file.config.width;
  return taught.map(({ entry, teacher }, i) => ({
    ...responseDocument(entry.prompt, entry.response),
    teacher: () => teacher,
    features: (from: number, count: number) =>
      Array.from({ length: count }, (_, row) => {
        const at = (from + row) * width;
        return features[i].subarray(at, at + width);
      }),
  }));
}

Deno.test({
  name: "a block drafter trained for a minute's part drafts what the embedded model says",
  ignore: EMBEDDED === undefined,
  fn: async () => {
    const device = createDevice(wasmBackend());
    await withWeights(device, EMBEDDED, "keep", async (loaded) => {
      const { file, parameters } = loaded;
      const { width, layers, vocabulary: tokens, headWidth, contextLength } = file.config;
      const taps = [...new Set(spreadTaps(layers, 3))];
      const documents = await answersOf(device, loaded, taps);
      const set = corpusOf(documents.slice(24));
      const vocabulary = trimVocabulary(tokenCounts(set, tokens), 300, file.tokenizer.endOfTurn);
      const config = tinyBlockDrafter({
        ...{ width, taps, headWidth, contextLength, heads: 4, keyValueHeads: 2 },
        ...{ contextWidth: 64, feedForwardWidth: 192, block: 4 },
      });
      const { shared, finalNorm } = await readSharedWeights(file, vocabulary);
      const scores: number[] = [];
      const onDevice = uploadTree(device, shared);
      const { parameters: trained } = await trainBlockDrafter({
        device,
        config,
        parameters: initBlockDrafter(keyOf(1), config, finalNorm),
        shared: onDevice,
        vocabulary,
        set,
        cachedTokens: KEPT,
        loss: "kld",
        steps: 150,
        schedule: "constant",
        rowsPerBatch: 512,
        anchors: 64,
        rate: 0.008,
        seed: 1,
        validation: { corpus: corpusOf(documents.slice(0, 24)), every: 30, batches: 1 },
        onStep: ({ metrics }) => {
          if (metrics.validationAlpha0 !== undefined) scores.push(metrics.validationAlpha0);
        },
      });
      assert(
        scores[4] > 0.2 && scores[4] > 5 * scores[0],
        `acceptance of the first place: ${scores}`,
      );

      const drafter = uploadTree(device, trained);
      const weights = {
        drafter,
        embedding: parameters.embedding,
        head: compile(device, blockHead)(drafter, onDevice.kept),
      };
      const target = llamaModel({ device, config: file.config, parameters, taps });
      const draft = blockDraft({ device, config, weights, vocabulary });
      const warp = temperature(0);
      const key = keyOf(1);
      let [passes, written] = [0, 0];
      for (const { tokens: all, weights: counts } of documents.slice(0, 4)) {
        const prompt = [...all.subarray(0, counts.indexOf(1))];
        const plain = await generate(limit(autoregressive({ target, warp }), 32), prompt, { key });
        const decoder = speculative({ target, draft, verify: verifyToken, warp, gamma: 4 });
        const drafted = await generate(limit(decoder, 32), prompt, { key });
        assertEquals(drafted.tokens, plain.tokens);
        [passes, written] = [passes + drafted.reports.length, written + drafted.tokens.length];
      }
      assert(written > 1.2 * passes, `${written} tokens in ${passes} passes`);
    });
    device.close();
  },
});
