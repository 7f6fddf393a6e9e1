/**
 * The next tokens of a batch from its logits, which stay on the device where they can.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { hostTensor } from "../core/host_tensor.ts";
import { type Device, read, upload } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import type { Logits, TokenId } from "./language_model.ts";
import type { LlamaPasses } from "./llama_passes.ts";
import { nextToken } from "./next_token.ts";
import { likeliestOf, readLogits, splitRows, viewLogits } from "./pass_rows.ts";
import {
  drawFromNucleus,
  hasStatistics,
  isSound,
  type RowStatistics,
  topOfRow,
} from "./row_statistics.ts";
import { type TopTokens, topTokens } from "./top_tokens.ts";
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

/** What a pass comes to: a token for every turn, and the row's most probable tokens if asked for. */
export interface Choices {
  readonly tokens: readonly TokenId[];
  /** One entry a turn; none where none was asked for. */
  readonly top: readonly TopTokens[];
}

type ChoicePasses = Pick<LlamaPasses, "likeliest" | "statistics">;

/** What a pass over a batch gives. */
type BatchLogits = Pick<ReturnType<LlamaPasses["step"]>, "logits" | "maxima">;

/**
 * The next token of every turn; a pass has logits f32 `[turns or more, vocabulary]`.
 *
 * Where all turns take the largest logit, the device finds it and 4 bytes a turn come back. Where all
 * draw from a nucleus, the device sums up, and the host looks at few logits.
 *
 * @param kept the most probable tokens to give of each row; 0 for none
 */
export async function chooseTokens(
  device: Device,
  passes: ChoicePasses,
  pass: BatchLogits,
  turns: readonly Turn[],
  kept: number,
): Promise<Choices> {
  const { logits } = pass;
  const isGreedy = turns.every(({ warp }) => warp.only === argmax);
  if (isGreedy && kept === 0) {
    const tokens = await likeliestTokens(passes, pass, turns.length);
    if (tokens !== undefined) return { tokens, top: [] };
  }
  const isShort = turns.every(({ warp }) => warp.only === argmax || warp.nucleus !== undefined);
  if (isShort && hasStatistics(logits.shape[1])) {
    const rows = await statisticsOf(device, passes, logits, turns);
    if (rows.every(isSound)) {
      const top = kept === 0 ? [] : rows.map((row) => topOfRow(row, kept));
      return { tokens: turns.map((turn, i) => shortDraw(turn, rows[i])), top };
    }
  }
  const values = await logitsOnHost(logits, turns);
  const top = kept === 0 ? [] : values.map((row) => topTokens(row, kept));
  return { tokens: turns.map((turn, i) => draw(turn, values[i])), top };
}

/** The tokens with the largest logits, or `undefined` where some logits are not finite. */
async function likeliestTokens(
  passes: ChoicePasses,
  { logits, maxima }: BatchLogits,
  count: number,
): Promise<readonly TokenId[] | undefined> {
  const values = maxima && viewLogits(logits);
  if (values !== undefined) {
    return likeliestOf(splitRows(values, logits.shape[1]).slice(0, count), maxima);
  }
  const made = passes.likeliest(logits);
  using tokens = made.tokens;
  using sums = made.sums;
  const found = await read(sums, 0, count);
  return found.every(Number.isFinite) ? [...await read(tokens, 0, count)] : undefined;
}

/** Each turn's row with what the device sums up of it. */
async function statisticsOf(
  device: Device,
  passes: ChoicePasses,
  logits: DeviceArray,
  turns: readonly Turn[],
): Promise<RowStatistics[]> {
  const [rows] = logits.shape;
  const temperatures = new Float32Array(rows).fill(1);
  turns.forEach(({ warp }, i) => temperatures[i] = warp.nucleus?.temperature ?? 1);
  using asked = upload(device, hostTensor(temperatures, [rows, 1]));
  const made = passes.statistics(logits, asked);
  using maxima = made.maxima;
  using sums = made.sums;
  using plainSums = made.plainSums;
  const [largest, scaled, plain] = [await read(maxima), await read(sums), await read(plainSums)];
  const values = await logitsOnHost(logits, turns);
  const blocks = maxima.shape[1];
  return turns.map((_, i) => ({
    logits: values[i],
    maxima: Float32Array.from(largest.subarray(i * blocks, (i + 1) * blocks)),
    sum: scaled[i],
    plainSum: plain[i],
  }));
}

function shortDraw(turn: Turn, row: RowStatistics): TokenId {
  const { warp, coin } = turn;
  const drawn = warp.nucleus && drawFromNucleus(row, warp.nucleus, coin());
  return drawn ?? draw(turn, row.logits);
}

/** Drawn on the host; it also names what is wrong with logits that are not finite. */
function draw({ text, warp, coin }: Turn, row: Logits): TokenId {
  return nextToken(warp, row, text, coin);
}

async function logitsOnHost(
  logits: DeviceArray,
  turns: readonly Turn[],
): Promise<readonly Logits[]> {
  const [rows, vocabulary] = logits.shape;
  if (turns.length > rows) {
    throw new OutriderError(`logits of ${turns.length} turns`, `${rows} rows`, "ask for as many");
  }
  const values = viewLogits(logits) ?? await readLogits(logits, []);
  return splitRows(values, vocabulary).slice(0, turns.length);
}
