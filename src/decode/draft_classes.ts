/**
 * The classes that a draft model reads and predicts, and the target's tokens that they stand for.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import { type Logits, logitsOf, type Probs, spreadProbs, type TokenId } from "./language_model.ts";

/** How a draft model's classes relate to the target's tokens. */
export interface DraftClasses {
  /** Throws an {@link OutriderError} unless the target has `vocabulary` tokens. */
  check(vocabulary: number): void;
  /** A text of tokens as a new array of classes. */
  ofText(tokens: readonly TokenId[]): number[];
  /** The token of a class that can be drafted. */
  tokenOf(drawn: number): TokenId;
  /** The logits `[classes]` with what cannot be drafted at `-Infinity`. */
  possible(logits: Logits): Logits;
  /** The class of all tokens that cannot be drafted, where there is one. */
  readonly other?: number;
  /** The logit of all tokens that cannot be drafted, `-Infinity` where every one can. */
  otherLogit(logits: Logits): number;
  /** Brings probabilities of classes, `[classes]`, to the target's tokens, `[vocabulary]`. */
  spread(probs: Probs): Probs;
}

/** The classes of a draft with the target's own vocabulary: its tokens. */
export function sameClasses(tokens: number): DraftClasses {
  return {
    check: (vocabulary) => {
      if (vocabulary === tokens) return;
      throw new OutriderError(
        `a draft model with the target's vocabulary of ${vocabulary}`,
        `one of ${tokens}`,
        "pass its trimmed vocabulary, or train a draft with the target's tokenizer",
      );
    },
    ofText: (text) => [...text],
    tokenOf: (drawn) => drawn,
    possible: (logits) => logits,
    otherLogit: () => -Infinity,
    spread: (probs) => probs,
  };
}

/**
 * The classes of a trimmed draft. Only spreading touches the target's whole vocabulary. Ids ascend
 * with classes, so that one coin draws from both distributions what lies at the same place.
 */
export function trimmedClasses(trimmed: TrimmedVocabulary): DraftClasses {
  const { tokenIds, targetVocabulary, classOf, other } = trimmed;
  return {
    other,
    check: (vocabulary) => {
      if (vocabulary === targetVocabulary) return;
      throw new OutriderError(
        `a draft model trimmed from the target's vocabulary of ${vocabulary}`,
        `one trimmed from ${targetVocabulary}`,
        "use the draft that was trained for this target",
      );
    },
    ofText: (text) => text.map(classOf),
    tokenOf: (drawn) => tokenIds[drawn],
    possible: (logits) => {
      const row = Float32Array.from(logits);
      row[other] = -Infinity;
      return logitsOf(row);
    },
    otherLogit: (logits) => logits[other],
    spread: (probs) => spreadProbs(probs, tokenIds, targetVocabulary),
  };
}

/**
 * The classes of a draft model of so many classes; those of a trimmed vocabulary, where there is one.
 * Throws an {@link OutriderError} where the model does not have the classes of the trimmed vocabulary.
 */
export function classesOf(model: number, trimmed: TrimmedVocabulary | undefined): DraftClasses {
  if (trimmed === undefined) return sameClasses(model);
  if (trimmed.classes === model) return trimmedClasses(trimmed);
  throw new OutriderError(
    `a draft model of ${trimmed.classes} classes`,
    `one of ${model}`,
    "pass the vocabulary that it was trained with",
  );
}
