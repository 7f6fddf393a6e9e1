/**
 * Running a decoder while its text is shown piece by piece.
 *
 * @module
 */
import { keyOf } from "@outrider/outrider";
import { generate, type Generation, untilText } from "@outrider/outrider/decode";
import type { Tokenizer } from "@outrider/outrider/io";
import type { AnyDecoder } from "./decoding.ts";

/** How to write a text. */
export interface WriteOptions {
  readonly seed: number;
  readonly stop: readonly string[];
  readonly signal: AbortSignal;
  /** Is given every piece of text as soon as it is settled. */
  readonly onText: (piece: string) => void;
}

/** A written text with its tokens and reports. */
export interface WrittenText extends Generation {
  readonly text: string;
}

/** Writes the continuation of a prompt. */
export async function writeText(
  decoder: AnyDecoder,
  tokenizer: Tokenizer,
  prompt: readonly number[],
  { seed, stop, signal, onText }: WriteOptions,
): Promise<WrittenText> {
  const pieces: string[] = [];
  const generation = await decoder.run((inner) => {
    const pieceWise = untilText(inner, { textOf: (ids) => tokenizer.decode(ids), stops: stop });
    type State = Parameters<typeof pieceWise.step>[0];
    const watched = {
      ...pieceWise,
      step: async (state: State) => {
        const step = await pieceWise.step(state);
        pieces.push(step.text);
        onText(step.text);
        return step;
      },
    };
    return generate(watched, prompt, { key: keyOf(seed), signal });
  });
  return { ...generation, text: pieces.join("") };
}

/** Shows text on standard output as it comes. */
export function showText(piece: string): void {
  if (piece !== "") Deno.stdout.writeSync(new TextEncoder().encode(piece));
}
