/**
 * Tokenizers as GGUF metadata, for models that are written.
 *
 * @module
 */

import type { GgufMetadata, GgufValue } from "./gguf_types.ts";
import type { TokenId } from "./tokenizer_vocabulary.ts";

/** A byte-level byte-pair tokenizer, as GGUF stores it. */
export interface ByteLevelTokenizer {
  /** Token texts by id, in GPT-2's byte alphabet; control tokens as they are. */
  readonly tokens: readonly string[];
  /** Merges in order of priority, each as `"left right"`. */
  readonly merges: readonly string[];
  /** Ids of the control tokens. */
  readonly control: readonly TokenId[];
  /** The pre-tokenizer's name: `"smollm"`, `"gpt-2"`, `"llama-bpe"`, `"qwen2"` or `"default"`. */
  readonly preTokenizer: string;
  /** Begins a text; is not added by itself. */
  readonly bos?: TokenId;
  /** Ends a text or turn. */
  readonly eos?: TokenId;
  /** Jinja source of the chat template. */
  readonly chatTemplate?: string;
}

const NORMAL = 1;
const CONTROL = 3;

/**
 * The metadata that describe a byte-level tokenizer.
 *
 * @example
 * ```ts
 * import { byteLevelMetadata, tokenizerFromGguf } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = tokenizerFromGguf(byteLevelMetadata({
 *   tokens: ["<end>", "a", "b", "ab"],
 *   merges: ["a b"],
 *   control: [0],
 *   preTokenizer: "gpt-2",
 *   eos: 0,
 * }));
 * assertEquals(tokenizer.encode("aab<end>"), [1, 3, 0]);
 * ```
 */
export function byteLevelMetadata(tokenizer: ByteLevelTokenizer): GgufMetadata {
  const { tokens, merges, control, preTokenizer, bos, eos, chatTemplate } = tokenizer;
  const kinds = new Int32Array(tokens.length).fill(NORMAL);
  for (const id of control) kinds[id] = CONTROL;
  const entries: [string, GgufValue][] = [
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: preTokenizer }],
    ["tokenizer.ggml.tokens", { type: "array", elementType: "string", value: tokens }],
    ["tokenizer.ggml.token_type", { type: "array", elementType: "int32", value: kinds }],
    ["tokenizer.ggml.merges", { type: "array", elementType: "string", value: merges }],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: false }],
  ];
  if (bos !== undefined) {
    entries.push(["tokenizer.ggml.bos_token_id", { type: "uint32", value: bos }]);
  }
  if (eos !== undefined) {
    entries.push(["tokenizer.ggml.eos_token_id", { type: "uint32", value: eos }]);
  }
  if (chatTemplate !== undefined) {
    entries.push(["tokenizer.chat_template", { type: "string", value: chatTemplate }]);
  }
  return new Map(entries);
}

/**
 * The part of a GGUF file's metadata that describes its tokenizer.
 *
 * @example
 * ```ts
 * import { tokenizerMetadata } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const metadata = new Map([
 *   ["general.name", { type: "string", value: "a model" } as const],
 *   ["tokenizer.ggml.model", { type: "string", value: "gpt2" } as const],
 * ]);
 * assertEquals([...tokenizerMetadata(metadata).keys()], ["tokenizer.ggml.model"]);
 * ```
 */
export function tokenizerMetadata(metadata: GgufMetadata): GgufMetadata {
  return new Map([...metadata].filter(([key]) => key.startsWith("tokenizer.")));
}
