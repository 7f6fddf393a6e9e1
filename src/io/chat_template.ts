/**
 * Chat messages to the text that a chat model was tuned on.
 *
 * @module
 */

import { Template } from "@huggingface/jinja";
import { OutriderError } from "../core/errors.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { TokenId } from "./tokenizer_vocabulary.ts";

/** One message of a conversation. */
export interface ChatMessage {
  /** Who speaks: `system`, `user`, `assistant`, or another role that the template knows. */
  readonly role: string;
  /** What is said. */
  readonly content: string;
}

/** Choices of {@link renderChat}. */
export interface RenderChatOptions {
  /** Whether to end with the header of the assistant's next turn (default true). */
  readonly addGenerationPrompt?: boolean;
  /** The text of the token that begins a text, for templates that write it. */
  readonly bosToken?: string;
  /** The text of the token that ends a text, for templates that write it. */
  readonly eosToken?: string;
}

/**
 * Renders messages by a Jinja chat template.
 *
 * @throws {OutriderError} when the template is broken or refuses the messages.
 * @example
 * ```ts
 * import { renderChat } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const template = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}" +
 *   "{% if add_generation_prompt %}[assistant]{% endif %}";
 * assertEquals(renderChat(template, [{ role: "user", content: "Hi" }]), "[user] Hi\n[assistant]");
 * ```
 */
export function renderChat(
  template: string,
  messages: readonly ChatMessage[],
  { addGenerationPrompt = true, bosToken = "", eosToken = "" }: RenderChatOptions = {},
): string {
  try {
    return new Template(template).render({
      messages: messages.map(({ role, content }) => ({ role, content })),
      add_generation_prompt: addGenerationPrompt,
      bos_token: bosToken,
      eos_token: eosToken,
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new OutriderError(
      "messages that the model's chat template accepts",
      message,
      "change the order of roles, or complete the prompt without a template",
    );
  }
}

/** The part of {@link RenderChatOptions} that a tokenizer does not know. */
export type EncodeChatOptions = Pick<RenderChatOptions, "addGenerationPrompt">;

// Unicode noncharacters: never part of text that is meant to be read.
const MARKS: readonly string[] = Array.from(
  { length: 32 },
  (_, i) => String.fromCharCode(0xfdd0 + i),
);

/**
 * The ids of a rendered conversation. The template's control tokens become control tokens; their
 * names inside a message stay plain text, so that what a user types cannot end a turn.
 *
 * @throws {OutriderError} when the tokenizer has no chat template, or it refuses the messages.
 * @example
 * ```ts
 * import { byteLevelMetadata, encodeChat, tokenizerFromGguf } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = tokenizerFromGguf(byteLevelMetadata({
 *   tokens: ["<end>", "<", "e", "n", "d", ">"],
 *   merges: [],
 *   control: [0],
 *   preTokenizer: "gpt-2",
 *   chatTemplate: "{% for m in messages %}{{ m.content }}<end>{% endfor %}",
 * }));
 * // The template's <end> is the control token; the user's is five characters.
 * assertEquals(encodeChat(tokenizer, [{ role: "user", content: "<end>" }]), [1, 2, 3, 4, 5, 0]);
 * ```
 */
export function encodeChat(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  { addGenerationPrompt = true }: EncodeChatOptions = {},
): TokenId[] {
  const { chatTemplate, bos, eos } = tokenizer;
  if (chatTemplate === undefined) {
    throw new OutriderError(
      "a model with a chat template",
      "one without",
      "complete the raw prompt instead, or use a chat-tuned model",
    );
  }
  const everything = messages.map(({ content }) => content).join("");
  const mark = MARKS.find((character) => !everything.includes(character));
  if (mark === undefined) {
    throw new OutriderError("text in the messages", "every Unicode noncharacter", "send less");
  }
  const guarded = messages.map(({ role, content }) => ({
    role,
    content: tokenizer.guard(content, mark),
  }));
  const text = renderChat(chatTemplate, guarded, {
    addGenerationPrompt,
    bosToken: bos === undefined ? "" : tokenizer.tokenText(bos),
    eosToken: eos === undefined ? "" : tokenizer.tokenText(eos),
  });
  return tokenizer.encode(text, { addSpecial: false, guardMark: mark });
}
