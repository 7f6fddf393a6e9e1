/**
 * From token ids to text, all at once or as they come.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { TokenizerSpec } from "./tokenizer_spec.ts";
import { bytesOfToken, type TokenId } from "./tokenizer_vocabulary.ts";

/** What decoding does with control tokens, such as turn markers. */
export interface DecodeOptions {
  /** Leaves them out (the default) or writes their names. */
  readonly controlTokens?: "omit" | "keep";
}

/** Turns tokens into text as they are generated. */
export interface StreamDecoder {
  /** The text that one more token completes; empty while a character is incomplete. */
  push(id: TokenId): string;
  /** What remains at the end: a replacement character if a character stayed incomplete. */
  flush(): string;
}

/**
 * Makes the function that starts a stream: `preceding` are the ids before the first pushed one,
 * whose text is not repeated but decides whether a leading space belongs to the answer.
 */
export function streamDecoderOf(
  spec: TokenizerSpec,
): (preceding: readonly TokenId[], options: DecodeOptions) => StreamDecoder {
  const { tokens, kinds, spelling, leadingSpace } = spec;
  return (preceding, { controlTokens = "omit" }) => {
    // A byte order mark is text like any other here.
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    let atStart = leadingSpace === "strip" && preceding.every((id) => kinds[id] === "control");
    return {
      push(id) {
        const text = tokens[id];
        if (text === undefined) {
          throw new OutriderError(
            `a token id from 0 to ${tokens.length - 1}`,
            String(id),
            "decode with the tokenizer of the model that wrote the ids",
          );
        }
        const isControl = kinds[id] === "control";
        if (isControl && controlTokens === "omit") return "";
        const bytes = bytesOfToken(text, kinds[id], spelling);
        const start = atStart && !isControl && bytes[0] === 0x20 ? 1 : 0;
        if (!isControl) atStart = false;
        return decoder.decode(bytes.subarray(start), { stream: true });
      },
      flush: () => decoder.decode(),
    };
  };
}
