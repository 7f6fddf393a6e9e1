/** Tiny seeded language models with a prefix-dependent distribution, and a wrapper that counts caches. */
import { foldIn, keyOf, normals } from "../../src/core/random.ts";
import {
  type FunctionCache,
  functionModel,
  type LanguageModel,
  type TokenId,
  type TreeLanguageModel,
} from "../../src/decode/mod.ts";
import type { TrimmedVocabulary } from "../../src/nn/mod.ts";

/** Logits that depend on the whole prefix, by hashing it; remembered, since hashing takes long. */
export function hashLogits(
  seed: number,
  vocabulary: number,
  scale = 1.5,
): (prefix: readonly TokenId[]) => Float32Array {
  const known = new Map<string, Float32Array>();
  const start = foldIn(keyOf(seed), "prefix");
  return (prefix) => {
    const name = prefix.join(" ");
    const remembered = known.get(name);
    if (remembered) return Float32Array.from(remembered);
    const key = prefix.reduce((hash, token) => foldIn(hash, token), start);
    const row = normals(key, vocabulary).map((value) => value * scale);
    known.set(name, row);
    return Float32Array.from(row);
  };
}

/** Logits that depend on the last `order` tokens only, on a coarse grid, so that ties are common. */
export function tiedLogits(
  seed: number,
  vocabulary: number,
  order = 2,
): (prefix: readonly TokenId[]) => Float32Array {
  const logits = hashLogits(seed, vocabulary);
  return (prefix) => logits(prefix.slice(-order)).map((value) => Math.round(value));
}

/** A model of {@link hashLogits}. */
export function hashModel(
  seed: number,
  vocabulary: number,
  contextLength = 64,
): LanguageModel<FunctionCache> {
  return functionModel({ vocabulary, contextLength, logits: hashLogits(seed, vocabulary) });
}

/** A model that agrees with another but for a share of the prefixes, where it says something else. */
export function nearModel(
  seed: number,
  other: (prefix: readonly TokenId[]) => Float32Array,
  vocabulary: number,
  contextLength = 64,
): TreeLanguageModel<FunctionCache> {
  const own = hashLogits(seed, vocabulary);
  const logits = (prefix: readonly TokenId[]) => {
    const differing = own(prefix);
    return differing[0] > 0.8 ? differing : other(prefix);
  };
  return functionModel({ vocabulary, contextLength, logits });
}

/**
 * A trimmed draft of a model: it reads the first token outside for every one of them, and its last
 * class has the mass of all tokens outside.
 */
export function trimmedModel(
  other: (prefix: readonly TokenId[]) => Float32Array,
  { tokenIds, targetVocabulary, classes, classOf, other: outside }: TrimmedVocabulary,
  contextLength = 64,
): TreeLanguageModel<FunctionCache> {
  const tokens = Array.from({ length: targetVocabulary }, (_, token) => token);
  const stranger = tokens.find((token) => classOf(token) === outside) ?? 0;
  const logits = (prefix: readonly number[]) => {
    const row = other(prefix.map((read) => tokenIds[read] ?? stranger));
    const masses = new Float64Array(classes);
    row.forEach((logit, token) => masses[classOf(token)] += Math.exp(logit));
    return Float32Array.from(masses, Math.log);
  };
  return functionModel({ vocabulary: classes, contextLength, logits });
}

/** A model that knows which of its caches are alive. */
export interface CountedModel<Cache> extends LanguageModel<Cache> {
  /** How many caches are alive now. */
  alive(): number;
  /** How many rows each `forward` has run. */
  readonly passes: number[];
}

/** Wraps a model and keeps count of its live caches. */
export function counted<Cache>(model: LanguageModel<Cache>): CountedModel<Cache> {
  const live = new Set<Cache>();
  const replace = (old: Cache, successor: Cache): Cache => {
    live.delete(old);
    live.add(successor);
    return successor;
  };
  const passes: number[] = [];
  return {
    ...model,
    passes,
    alive: () => live.size,
    open: () => {
      const cache = model.open();
      live.add(cache);
      return cache;
    },
    forward: async (cache, tokens, wanted) => {
      const pass = await model.forward(cache, tokens, wanted);
      passes.push(tokens.length);
      return { ...pass, cache: replace(cache, pass.cache) };
    },
    truncate: (cache, length) => replace(cache, model.truncate(cache, length)),
    close: (cache) => {
      model.close(cache);
      live.delete(cache);
    },
  };
}
