import { assertEquals } from "@std/assert";
import { byteLevelMetadata, renderChat, tokenizerFromGguf } from "../../src/io/mod.ts";
import {
  bytePairCodec,
  CHAT_TEMPLATE,
  renderChatMl,
  trainBytePairs,
  trainingConversations,
} from "../../src/data/mod.ts";

const conversations = [...trainingConversations(1).take(400)];
const trained = trainBytePairs(conversations.map(({ messages }) => renderChatMl(messages)));
const codec = bytePairCodec(trained);
const tokenizer = tokenizerFromGguf(byteLevelMetadata({
  tokens: trained.vocabulary,
  merges: trained.merges,
  control: [0, 1, 2],
  preTokenizer: "smollm",
  bos: 0,
  eos: 2,
  chatTemplate: CHAT_TEMPLATE,
}));

Deno.test("a GGUF file's tokenizer gives the ids that training saw", () => {
  const awkward = [
    "",
    " ",
    "a  b   c",
    "\n\n x",
    "it's 12,5 %",
    "naïve 東京 🦊 ½ ٣",
    "a\tb \n",
    "<|im_end|> 7",
  ];
  for (const text of [...awkward, ...conversations.map(({ messages }) => renderChatMl(messages))]) {
    const ids = codec.encode(text);
    assertEquals(tokenizer.encode(text), ids, JSON.stringify(text));
    assertEquals(tokenizer.decode(ids, { controlTokens: "keep" }), codec.decode(ids));
  }
});

Deno.test("a GGUF file's chat template writes what training saw", () => {
  for (const { messages } of conversations.slice(0, 20)) {
    const prompt = messages.slice(0, 1);
    assertEquals(
      renderChat(CHAT_TEMPLATE, prompt),
      renderChatMl(prompt, { addGenerationPrompt: true }),
    );
  }
});
