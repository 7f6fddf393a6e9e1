/**
 * The next tokens of a batch from its logits, which stay on the device where they can.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { read } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import type { Logits, TokenId } from "./language_model.ts";
import { type LlamaPasses, readLogits, splitRows } from "./llama_passes.ts";
import { nextToken } from "./next_token.ts";
import { argmax, type Warp } from "./warp.ts";

/** Whose turn it is: a text, and how it goes on. */
export interface Turn {
  /** All tokens so far, prompt included. */
  readonly text: readonly TokenId[];
  /** How logits become the distribution to draw from. */
  readonly warp: Warp;
  /** The coin in [0, 1) of the next token; asked only where there is a choice. */
  readonly coin: () => number;
}

/**
 * The next token of every turn; `logits` are f32 `[turns or more, vocabulary]`.
 *
 * Where all turns take the largest logit, the device finds it and 4 bytes a turn come back.
 */
export async function chooseTokens(
  passes: Pick<LlamaPasses, "likeliest">,
  logits: DeviceArray,
  turns: readonly Turn[],
): Promise<readonly TokenId[]> {
  const isGreedy = turns.every(({ warp }) => warp.only === argmax);
  return (isGreedy ? await likeliestTokens(passes, logits, turns.length) : undefined) ??
    await drawnTokens(logits, turns);
}

/** The tokens with the largest logits, or `undefined` where some logits are not finite. */
async function likeliestTokens(
  passes: Pick<LlamaPasses, "likeliest">,
  logits: DeviceArray,
  count: number,
): Promise<readonly TokenId[] | undefined> {
  const made = passes.likeliest(logits);
  using tokens = made.tokens;
  using sums = made.sums;
  const found = await read(sums, 0, count);
  return found.every(Number.isFinite) ? [...await read(tokens, 0, count)] : undefined;
}

/** The next tokens and what `observe` makes of the logits of each turn. */
export async function observedTokens<Seen>(
  logits: DeviceArray,
  turns: readonly Turn[],
  observe: (logits: Logits) => Seen,
): Promise<{ readonly tokens: readonly TokenId[]; readonly seen: readonly Seen[] }> {
  const values = await logitsOnHost(logits, turns);
  return { tokens: draw(values, turns), seen: turns.map((_, i) => observe(values[i])) };
}

/** Tokens drawn on the host; it also names what is wrong with logits that are not finite. */
async function drawnTokens(
  logits: DeviceArray,
  turns: readonly Turn[],
): Promise<readonly TokenId[]> {
  return draw(await logitsOnHost(logits, turns), turns);
}

async function logitsOnHost(
  logits: DeviceArray,
  turns: readonly Turn[],
): Promise<readonly Logits[]> {
  const [rows, vocabulary] = logits.shape;
  if (turns.length > rows) {
    throw new OutriderError(`logits of ${turns.length} turns`, `${rows} rows`, "ask for as many");
  }
  return splitRows(await readLogits(logits, []), vocabulary);
}

function draw(values: readonly Logits[], turns: readonly Turn[]): readonly TokenId[] {
  return turns.map(({ text, warp, coin }, i) => nextToken(warp, values[i], text, coin));
}
