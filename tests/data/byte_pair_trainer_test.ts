import { assert, assertEquals, assertThrows } from "@std/assert";
import { Template } from "@huggingface/jinja";
import { OutriderError } from "../../src/core/errors.ts";
import {
  bytePairCodec,
  CHAT_TEMPLATE,
  renderChatMl,
  SPECIAL_TOKENS,
  trainBytePairs,
  trainingConversations,
} from "../../src/data/mod.ts";

const conversations = [...trainingConversations(1).take(600)];
const texts = conversations.map(({ messages }) =>
  messages.map(({ content }) => content).join("\n")
);
const tokenizer = trainBytePairs(texts);

Deno.test("the same texts give the same vocabulary of 512, special tokens first", () => {
  assertEquals(trainBytePairs(texts), tokenizer);
  assertEquals(tokenizer.vocabulary.length, 512);
  assertEquals(new Set(tokenizer.vocabulary).size, 512);
  assertEquals(tokenizer.vocabulary.slice(0, 3), [...SPECIAL_TOKENS]);
  assertEquals(tokenizer.merges.length, 512 - 256 - 3);
});

Deno.test("every merge joins two tokens that exist by then into the next token", () => {
  tokenizer.merges.forEach((merge, index) => {
    const [left, right] = merge.split(" ");
    const known = tokenizer.vocabulary.slice(0, 259 + index);
    assert(known.includes(left) && known.includes(right), merge);
    assertEquals(tokenizer.vocabulary[259 + index], left + right);
  });
});

Deno.test("any text comes back as it was", () => {
  const { encode, decode } = bytePairCodec(tokenizer);
  const awkward = [
    "",
    " ",
    "  a\n\n b",
    "naïve 東京 🦊",
    "1234 x5",
    "<|im_start|>user\nHi<|im_end|>\n<|im",
  ];
  for (const text of [...texts.slice(0, 50), ...awkward]) assertEquals(decode(encode(text)), text);
});

Deno.test("digits are single tokens and special tokens are one id each", () => {
  const { encode, decode } = bytePairCodec(tokenizer);
  assertEquals(encode("2024").map((id) => decode([id])), ["2", "0", "2", "4"]);
  assertEquals(encode("<|endoftext|><|im_start|><|im_end|>"), [0, 1, 2]);
});

Deno.test("the chat template and the fast renderer write the same text", () => {
  const template = new Template(CHAT_TEMPLATE);
  for (const { messages } of conversations.slice(0, 30)) {
    assertEquals(
      template.render({ messages, add_generation_prompt: false }),
      renderChatMl(messages),
    );
    assertEquals(
      template.render({ messages: messages.slice(0, 1), add_generation_prompt: true }),
      `${renderChatMl(messages.slice(0, 1))}<|im_start|>assistant\n`,
    );
  }
});

Deno.test("a vocabulary that cannot hold the bytes is refused, and unknown ids are an error", () => {
  assertThrows(() => trainBytePairs(["a"], { size: 100 }), OutriderError);
  assertThrows(() => trainBytePairs(["a"], { size: NaN }), OutriderError);
  assertThrows(() => bytePairCodec(tokenizer).decode([512]), OutriderError);
});
