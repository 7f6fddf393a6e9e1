/**
 * What the recipe's commands share: codecs, folders, and files of drafts.
 *
 * @module
 */
import { integer, requiredText, toggle } from "@outrider/outrider/cli";
import type { DocumentCodec } from "@outrider/outrider/data";
import { type ModelFile, renderChat, type Tokenizer } from "@outrider/outrider/io";
import { OutriderError } from "@outrider/outrider";

/** Flags of every stage. */
export const stageFlags = {
  out: requiredText({ placeholder: "DIR", help: "the folder to write to; a killed run goes on" }),
  seed: integer({ default: 1, help: "decides first weights, order of data, and coins" }),
  json: toggle({ help: "print one JSON object" }),
};

/**
 * Makes the folder of a command's results.
 *
 * @throws OutriderError where it cannot be made or written to
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
    await Deno.remove(await Deno.makeTempFile({ dir: path }));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OutriderError(`a folder to write to at ${path}`, reason, "name another one by --out");
  }
}

/** The first half of a file's SHA-256, by which a run that goes on knows its data again. */
export async function fingerprint(path: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
  return new Uint8Array(digest).slice(0, 16).toHex();
}

/** How a target's tokenizer turns text and conversations into documents. */
export function codecOf({ tokenizer, chatTemplate }: ModelFile): DocumentCodec {
  const { eos } = tokenizer;
  return {
    encode: (text) => tokenizer.encode(text),
    renderChat: (messages, options) => {
      if (chatTemplate === undefined) {
        throw new OutriderError(
          "a target with a chat template",
          "one without",
          "choose a chat model",
        );
      }
      return renderChat(chatTemplate, messages, { ...options, ...namesOf(tokenizer) });
    },
    endOfText: eos,
    vocabularySize: tokenizer.vocabularySize,
  };
}

/** The special tokens that templates ask for by text. */
function namesOf({ bos, eos, tokenText }: Tokenizer): { bosToken: string; eosToken: string } {
  return {
    bosToken: bos === undefined ? "" : tokenText(bos),
    eosToken: eos === undefined ? "" : tokenText(eos),
  };
}
