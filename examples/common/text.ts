/**
 * Text of commands that pretrain on it or mix it in.
 *
 * @module
 */
import { optionalText } from "@outrider/outrider/cli";
import { type Corpus, openCorpus } from "@outrider/outrider/data";
import type { ModelFile } from "@outrider/outrider/io";
import { codecOf } from "./recipe.ts";

/** Flags of commands that read text. */
export const textFlags = {
  tokenCache: optionalText({
    placeholder: "DIR",
    help: "keep the tokens of files here and read them from there: for more than 32 million",
  }),
};

/** Opens text in a target's tokens, of which every one counts. */
export function openText(
  file: ModelFile,
  data: string,
  { seed, tokenCache }: { readonly seed: number; readonly tokenCache: string | undefined },
): Promise<Corpus> {
  const codec = JSON.stringify([file.tokenizer.hash, file.chatTemplate ?? ""]);
  const cache = tokenCache === undefined ? undefined : { folder: tokenCache, codec };
  return openCorpus(data, codecOf(file), { seed, promptWeight: 1, cache });
}
