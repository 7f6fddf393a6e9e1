/**
 * Talks with a chat model: a system prompt, several turns, streaming.
 *
 *     deno task chat --target smollm2
 *
 * @module
 */
import { type CommandContext, runCommand, toggle } from "@outrider/outrider/cli";
import { metricsOf } from "@outrider/outrider/evaluate";
import { type ChatMessage, encodeChat } from "@outrider/outrider/io";
import { type AnyDecoder, decoderOf, loadDraft, rememberingDraft } from "./common/decoding.ts";
import { deviceFlags, openDevice } from "./common/device.ts";
import {
  cacheFlags,
  type LoadedModel,
  loadModel,
  remembering,
  targetFlags,
} from "./common/models.ts";
import { openingMessages, promptFlags } from "./common/prompts.ts";
import { showText, writeText, type WrittenText } from "./common/write_text.ts";
import { decodingFlags, warpsOf } from "./common/warps.ts";

const { system, prompt } = promptFlags;
const flags = {
  ...targetFlags,
  ...cacheFlags,
  system,
  prompt,
  ...decodingFlags,
  ...deviceFlags,
  json: toggle({ help: "print the talk as one JSON object at its end" }),
};

/** The lines that a person types, until the input ends or the signal stops the wait for more. */
async function* typedLines(signal: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  const ask = () =>
    Deno.stdin.isTerminal() && Deno.stderr.writeSync(new TextEncoder().encode("> "));
  const reader = Deno.stdin.readable.getReader();
  signal.addEventListener("abort", () => void reader.cancel());
  ask();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const lines = (rest + decoder.decode(read.value, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      yield line.trim();
      ask();
    }
  }
  if (rest.trim() !== "") yield rest.trim();
}

/** Answers the last message of a conversation. */
async function answer(
  target: Pick<LoadedModel, "file">,
  decoder: AnyDecoder,
  messages: readonly ChatMessage[],
  options: { readonly seed: number; readonly stop: readonly string[]; readonly json: boolean },
  context: CommandContext,
): Promise<WrittenText> {
  const { tokenizer } = target.file;
  const onText = options.json ? () => {} : showText;
  const run = { ...options, signal: context.signal, onText };
  const written = await writeText(decoder, tokenizer, encodeChat(tokenizer, messages), run);
  const { tokensPerSecond, blockEfficiency } = metricsOf(written.reports, { draftSizeRatio: 0 });
  if (!options.json) context.print("\n");
  context.log(
    `[${written.tokens.length} tokens, ${tokensPerSecond.toFixed(1)} per second, ` +
      `${blockEfficiency.toFixed(2)} per pass]\n`,
  );
  return written;
}

await runCommand({
  name: "deno task chat",
  summary: "Talks with a chat model. Type a message and press Enter; an empty line ends the talk.",
  flags,
  examples: [
    "deno task chat --target embedded",
    'deno task chat --target smollm2 --system "Be brief." --prompt "Why is the sky blue?"',
  ],
}, async (options, context) => {
  const { device } = await openDevice(options);
  const target = remembering(await loadModel(device, options.target, options, context));
  const draft = rememberingDraft(
    await loadDraft(device, options.draft, options.dtype, target, context),
  );
  const decoder = await decoderOf(target, draft, { ...options, ...warpsOf(options) });
  const messages: ChatMessage[] = openingMessages(options.system);
  const say = async (content: string): Promise<string> => {
    messages.push({ role: "user", content });
    const { text } = await answer(target, decoder, messages, options, context);
    messages.push({ role: "assistant", content: text });
    return text;
  };
  if (options.prompt !== undefined) {
    const text = await say(options.prompt);
    device.close();
    return { text };
  }
  for await (const line of typedLines(context.signal)) {
    if (line === "" || context.signal.aborted) break;
    await say(line);
  }
  device.close();
  return { messages };
});
