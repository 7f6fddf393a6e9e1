/**
 * What a command is asked: prompt flags, and prompts as token ids.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { optionalText, text, toggle } from "@outrider/outrider/cli";
import { type ChatMessage, encodeChat } from "@outrider/outrider/io";
import type { LoadedModel } from "./models.ts";

/** Flags that say what to answer. */
export const promptFlags = {
  prompt: optionalText({ help: "what to answer" }),
  promptFile: optionalText({
    placeholder: "FILE",
    help: "a file with what to answer, in place of --prompt",
  }),
  system: text({ default: "", help: "a system prompt; --raw leaves it out" }),
  raw: toggle({ help: "continue the prompt as it is, without the chat template" }),
};

/** Reads the prompt from where the flags say. */
export async function promptOf(
  { prompt, promptFile }: { readonly prompt?: string; readonly promptFile?: string },
): Promise<string> {
  if ((prompt === undefined) === (promptFile === undefined)) {
    throw new OutriderError(
      "--prompt TEXT or --prompt-file FILE",
      prompt === undefined ? "neither" : "both",
      "give one of them",
    );
  }
  return prompt ?? await readPromptFile(promptFile ?? "");
}

/** No context is this long; a device file such as /dev/zero never ends. */
const MOST_PROMPT_BYTES = 2 ** 25;

/** The text of a file, or an error that names it. */
async function readPromptFile(path: string): Promise<string> {
  try {
    return await textOf(await Deno.open(path), path);
  } catch (error) {
    if (error instanceof OutriderError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new OutriderError(`a prompt in the file ${path}`, reason, "check --prompt-file");
  }
}

async function textOf({ readable }: Deno.FsFile, path: string): Promise<string> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const part of readable) {
    parts.push(part);
    length += part.length;
    if (length <= MOST_PROMPT_BYTES) continue;
    const most = `a prompt of at most ${MOST_PROMPT_BYTES} bytes in ${path}`;
    throw new OutriderError(most, "more", "shorten it");
  }
  return await new Blob(parts).text();
}

/** The messages that a system prompt begins a conversation with. */
export function openingMessages(system: string): ChatMessage[] {
  return system === "" ? [] : [{ role: "system", content: system }];
}

/** The token ids of a prompt, as a chat turn or raw. */
export function encodePrompt(
  { file }: Pick<LoadedModel, "file">,
  prompt: string,
  { raw, system }: { readonly raw: boolean; readonly system: string },
): number[] {
  if (raw) return file.tokenizer.encode(prompt);
  return encodeChat(file.tokenizer, [...openingMessages(system), {
    role: "user",
    content: prompt,
  }]);
}
