/**
 * A tokenizer as data: what the readers of GGUF metadata and tokenizer.json make, and the one
 * encoder runs.
 *
 * @module
 */

import type { MergeTable } from "./tokenizer_merges.ts";
import type { SplitSteps } from "./tokenizer_splits.ts";
import type { Spelling, TokenId, TokenKind } from "./tokenizer_vocabulary.ts";

/** A token that is matched whole in text. */
export interface AddedToken {
  /** Its text. */
  readonly text: string;
  /** Its id. */
  readonly id: TokenId;
  /** Which white space around it belongs to it. */
  readonly strip: { readonly left: boolean; readonly right: boolean };
}

/** Where a stretch of text stands between added tokens. */
export type TextPlace = "first" | "later";

/** Everything that defines a tokenizer. */
export interface TokenizerSpec {
  /** Token texts by id, as the vocabulary spells them. */
  readonly tokens: readonly string[];
  /** What each token is for. */
  readonly kinds: readonly TokenKind[];
  /** How token texts are spelled. */
  readonly spelling: Spelling;
  /** Ids of the tokens that plain text can become. */
  readonly ids: ReadonlyMap<string, TokenId>;
  /** The merges. */
  readonly merges: MergeTable;
  /** Changes a stretch of text before it is split. */
  readonly normalize: (text: string, place: TextPlace) => string;
  /** How text is split before merging. */
  readonly splits: SplitSteps;
  /** What a piece that is a token as a whole becomes: the token, or what the merges make of it. */
  readonly wholePieces: "token" | "merges";
  /** Tokens that are matched whole in text. */
  readonly added: readonly AddedToken[];
  /** Stands for what cannot be spelled; without it, such bytes are dropped. */
  readonly unknown?: TokenId;
  /** Ids put before an encoded text. */
  readonly prefix: readonly TokenId[];
  /** Ids put after an encoded text. */
  readonly suffix: readonly TokenId[];
  /** What decoding does with a space before the first word. */
  readonly leadingSpace: "keep" | "strip";
  /** Begins a text. */
  readonly bos?: TokenId;
  /** Ends a text. */
  readonly eos?: TokenId;
  /** Ids that end an answer, `eos` among them. */
  readonly endOfTurn: ReadonlySet<TokenId>;
  /** Jinja source of the chat template. */
  readonly chatTemplate?: string;
}

/** Control tokens that end a turn or a text in the models there are. */
const END_OF_TURN_TEXTS: ReadonlySet<string> = new Set([
  "<|im_end|>",
  "<|endoftext|>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<|end_of_text|>",
  "<|end|>",
  "<end_of_turn>",
  "<|end_of_turn|>",
  "</s>",
]);

/** The ids that end an answer: those a file names, and control tokens that go by a usual name. */
export function endOfTurnIds(
  tokens: readonly string[],
  kinds: readonly TokenKind[],
  named: readonly (TokenId | undefined)[],
): ReadonlySet<TokenId> {
  const ids = new Set(named.filter((id) => id !== undefined));
  for (let id = 0; id < tokens.length; id++) {
    if (kinds[id] === "control" && END_OF_TURN_TEXTS.has(tokens[id])) ids.add(id);
  }
  return ids;
}

/** The ids of the tokens that plain text can become; of equal texts, the lowest id. */
export function plainIds(
  tokens: readonly string[],
  kinds: readonly TokenKind[],
): ReadonlyMap<string, TokenId> {
  const ids = new Map<string, TokenId>();
  for (let id = 0; id < tokens.length; id++) {
    const isPlain = kinds[id] === "normal" || kinds[id] === "userDefined";
    if (isPlain && tokens[id] !== "" && !ids.has(tokens[id])) ids.set(tokens[id], id);
  }
  return ids;
}
