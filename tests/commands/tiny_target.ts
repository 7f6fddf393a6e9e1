/** A tiny chat model with random weights, written as a GGUF file: commands need no more. */
import { foldIn, keyOf, normals } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import {
  CHAT_TEMPLATE,
  renderChatMl,
  trainBytePairs,
  trainingConversations,
} from "../../src/data/mod.ts";
import { byteLevelMetadata, writeGgufModel } from "../../src/io/mod.ts";
import { buildLlama, type LlamaConfig, tinyLlama } from "../../src/nn/mod.ts";

/** What may be different about a tiny model. */
export interface TinyOptions {
  readonly seed?: number;
  /** Tokens of the vocabulary; another number makes another tokenizer. */
  readonly vocabulary?: number;
  readonly contextLength?: number;
  /** Changes a weight's values by its name. */
  readonly change?: (name: string, values: Float32Array) => void;
}

/** Writes a tiny model and gives its sizes. */
export async function writeTinyModel(
  path: string,
  options: TinyOptions = {},
): Promise<LlamaConfig> {
  const { seed = 1, vocabulary = 300, contextLength = 256, change } = options;
  const texts = trainingConversations(1).take(200).map(({ messages }) => renderChatMl(messages));
  const tokenizer = trainBytePairs(texts, { size: vocabulary });
  const config = tinyLlama({
    layers: 2,
    width: 32,
    heads: 2,
    keyValueHeads: 1,
    headWidth: 16,
    feedForwardWidth: 64,
    vocabulary: tokenizer.vocabulary.length,
    contextLength,
  });
  const weights = new Map<string, Float32Array>();
  buildLlama(config, ({ name, shape }) => {
    const values = normals(foldIn(keyOf(seed), name), sizeOf(shape));
    const scale = name === "embedding" ? 0.3 : shape[shape.length - 1] ** -0.5;
    const scaled = values.map((value) => shape.length === 1 ? 1 : scale * value);
    change?.(name, scaled);
    weights.set(name, scaled);
  });
  await writeGgufModel(path, {
    name: "tiny",
    config,
    readWeight: (name) => weights.get(name) ?? new Float32Array(),
    tokenizer: byteLevelMetadata({
      tokens: tokenizer.vocabulary,
      merges: tokenizer.merges,
      control: [0, 1, 2],
      preTokenizer: "smollm",
      bos: 0,
      eos: 2,
      chatTemplate: CHAT_TEMPLATE,
    }),
    format: "F32",
  });
  return config;
}
