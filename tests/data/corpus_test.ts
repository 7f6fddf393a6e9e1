import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import {
  bytePairCodec,
  conversationDocument,
  type DocumentCodec,
  languageCorpus,
  type Message,
  openCorpus,
  openPrompts,
  parseRecord,
  readLines,
  readRecords,
  renderChatMl,
  textDocument,
  trainBytePairs,
  trainingConversations,
} from "../../src/data/mod.ts";

const { encode, decode } = bytePairCodec(
  trainBytePairs(
    [...trainingConversations(1).take(200)].map(({ messages }) => renderChatMl(messages)),
  ),
);
const codec: DocumentCodec = { encode, renderChat: renderChatMl, endOfText: 0 };

async function withFile(
  name: string,
  content: string | Uint8Array,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(`${folder}/${name}`, bytes);
    await use(`${folder}/${name}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function gzip(text: string): Promise<Uint8Array> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const LINES = ["one", "", "zwei ä €", "x".repeat(200_000), "last without end"];

Deno.test("lines come back as they are, plain or compressed, from the start or any position", async () => {
  const text = LINES.join("\n");
  for (const content of [text, await gzip(text)]) {
    await withFile("lines.txt", content, async (path) => {
      const all = await Array.fromAsync(readLines(path));
      assertEquals(all.map((line) => line.text), LINES);
      assertEquals(all.map((line) => line.isComplete), [true, true, true, true, false]);
      for (let i = 0; i < all.length; i++) {
        const rest = await Array.fromAsync(readLines(path, all[i].next));
        assertEquals(rest, all.slice(i + 1));
      }
    });
  }
});

Deno.test("a reader that stops early leaves no open file behind", async () => {
  for (const content of [LINES.join("\n"), await gzip(LINES.join("\n"))]) {
    await withFile("lines.txt", content, async (path) => {
      for await (const { text } of readLines(path)) {
        assertEquals(text, "one");
        break;
      }
    });
  }
});

Deno.test("a gzip file of several members is read to its end", async () => {
  const members = [...await gzip("a\nb\n"), ...await gzip("c\n")];
  await withFile("members.gz", Uint8Array.from(members), async (path) => {
    assertEquals((await Array.fromAsync(readLines(path))).map(({ text }) => text), ["a", "b", "c"]);
  });
});

Deno.test("lines with Windows ends lose both characters", async () => {
  await withFile("windows.txt", "a\r\nb\r\n", async (path) => {
    assertEquals((await Array.fromAsync(readLines(path))).map(({ text }) => text), ["a", "b"]);
  });
});

Deno.test("missing files, folders and damaged gzip files are one clear error", async () => {
  const whole = await gzip("text\n".repeat(1000));
  await assertRejects(
    () => Array.fromAsync(readLines("no/such/file")),
    OutriderError,
    "no/such/file",
  );
  for (const length of [3, 10, 20, whole.length - 4]) {
    await withFile("cut.gz", whole.slice(0, length), async (path) => {
      await assertRejects(() => Array.fromAsync(readLines(path)), OutriderError, "cut.gz");
      await assertRejects(
        () => Array.fromAsync(readLines(path.replace(/\/cut.gz$/, ""))),
        OutriderError,
      );
    });
  }
  await assertRejects(() => Array.fromAsync(readLines("x", -1)), OutriderError);
});

Deno.test("a JSONL line is a text, a conversation or an instruction", () => {
  assertEquals(parseRecord('{"text":"t"}', "1"), { kind: "text", text: "t" });
  assertEquals(parseRecord('{"instruction":"i","kind":"k"}', "1"), {
    kind: "conversation",
    messages: [{ role: "user", content: "i" }],
  });
  assertEquals(parseRecord('{"instruction":"i","output":"o"}', "1"), {
    kind: "conversation",
    messages: [{ role: "user", content: "i" }, { role: "assistant", content: "o" }],
  });
  const messages = [{ role: "system", content: "s" }, { role: "user", content: "u" }];
  assertEquals(parseRecord(JSON.stringify({ messages }), "1"), { kind: "conversation", messages });
  const bad = [
    "",
    "7",
    "null",
    "[]",
    "{}",
    '{"text":1}',
    '{"messages":[]}',
    '{"messages":[{}]}',
    "{",
  ];
  for (const line of bad) assertThrows(() => parseRecord(line, "line 3"), OutriderError, "line 3");
});

Deno.test("records of a file can be read on from any record's position", async () => {
  const jsonl = '{"text":"a"}\n\n{"instruction":"b"}\n{"text":"c"}';
  const plain = "first\nstill first\n<|endoftext|>\nsecond\n<|endoftext|>\n\n<|endoftext|>\nthird";
  for (const [name, content, count] of [["a.jsonl", jsonl, 3], ["a.txt", plain, 3]] as const) {
    await withFile(name, content, async (path) => {
      const all = await Array.fromAsync(readRecords(path));
      assertEquals(all.length, count);
      for (let i = 0; i < count; i++) {
        assertEquals(await Array.fromAsync(readRecords(path, all[i].next)), all.slice(i + 1));
      }
    });
  }
});

Deno.test("only the assistant's words and end of turn count, and nothing of the text is lost", () => {
  for (const { messages } of trainingConversations(5).take(100)) {
    const { tokens, weights } = conversationDocument(messages, codec);
    assertEquals(decode([...tokens]), `${renderChatMl(messages)}<|endoftext|>`);
    const counted = decode([...tokens].filter((_, i) => weights[i] === 1));
    const answers = messages.filter(({ role }) => role === "assistant");
    assertEquals(counted, answers.map(({ content }) => `${content}<|im_end|>`).join(""));
  }
});

Deno.test("a conversation's prompt has the tokens that generation starts from", () => {
  for (const { messages } of trainingConversations(6).take(50)) {
    const { tokens } = conversationDocument(messages, codec);
    const prompt = encode(renderChatMl(messages.slice(0, 1), { addGenerationPrompt: true }));
    assertEquals([...tokens.slice(0, prompt.length)], [...prompt]);
  }
});

Deno.test("a chat template that rewrites earlier turns is refused", () => {
  const renderChat = (messages: readonly Message[]): string => `${messages.length}`;
  const messages: Message[] = [{ role: "user", content: "a" }, { role: "assistant", content: "b" }];
  assertThrows(() => conversationDocument(messages, { encode, renderChat }), OutriderError);
});

Deno.test("plain text counts from its first token to its end", () => {
  const { tokens, weights } = textDocument("A fox.", codec);
  assertEquals(decode([...tokens]), "A fox.<|endoftext|>");
  assert(weights.every((weight) => weight === 1));
});

Deno.test("corpora open by name: the language, files, several files, up to a number of tokens", async () => {
  const language = await openCorpus("language", codec, { seed: 4 });
  assertEquals(language.document(3), languageCorpus(codec, { seed: 4 }).document(3));
  const content = Array.from({ length: 50 }, (_, i) => JSON.stringify({ text: `text ${i}` })).join(
    "\n",
  );
  await withFile("a.jsonl", content, async (path) => {
    const two = await openCorpus(`${path}, ${path}`, codec);
    assertEquals(two.length, 100);
    assertEquals(two.document(0), two.document(50));
    assert((await openCorpus(path, codec, { maximumTokens: 40 })).length < 12);
  });
  await withFile("empty.txt", "", async (path) => {
    await assertRejects(() => openCorpus(path, codec), OutriderError, "empty.txt");
  });
  await assertRejects(() => openCorpus(" , ", codec), OutriderError);
});

Deno.test("prompts end with the user and come in the order of the seed", async () => {
  const language = await openPrompts("language", { seed: 2, count: 30 });
  assertEquals(language, await openPrompts("language", { seed: 2, count: 30 }));
  for (const messages of language) assertEquals(messages.at(-1)?.role, "user");
  const content = Array.from({ length: 20 }, (_, i) => JSON.stringify({ instruction: `do ${i}` }));
  await withFile("a.jsonl", content.join("\n"), async (path) => {
    const ten = await openPrompts(path, { seed: 1, count: 10 });
    assertEquals(new Set(ten.map((messages) => messages[0].content)).size, 10);
    assertEquals((await openPrompts(path, { count: 99 })).length, 20);
  });
  await withFile("a.jsonl", '{"text":"no prompt"}', async (path) => {
    await assertRejects(() => openPrompts(path, { count: 1 }), OutriderError);
  });
});

const instructions = new URL("../../../shared/data/instructions.jsonl", import.meta.url);
const present = await Deno.stat(instructions).then(() => true, () => false);

Deno.test({
  name: "the shared instruction file gives all of its 9,930 prompts",
  ignore: !present,
  fn: async () => {
    const prompts = await openPrompts(instructions.pathname, { count: 100_000 });
    assertEquals(prompts.length, 9930);
  },
});
