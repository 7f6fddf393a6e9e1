/**
 * The coins of a block as a table on a device, for every place where the block may start.
 *
 * How long a text is may be known to the device alone, so coins of several places go there, and the
 * device takes the row of its own. They are the numbers that a host would have drawn with.
 *
 * @module
 */
import { type HostTensor, hostTensor } from "../../core/host_tensor.ts";
import { cast, sub } from "../../core/elementwise_ops.ts";
import { gather } from "../../core/linear_ops.ts";
import { reshape, sliceAxis } from "../../core/movement_ops.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { Coins } from "../coins.ts";
import type { CoinParts } from "./draw.ts";
import type { RoundCoinTensors } from "./law.ts";

/** The largest f32 that is not above a number from 0 to 1: what is below a bound stays below it. */
export function roundedDown(value: number): number {
  const nearest = Float32Array.of(value);
  if (nearest[0] > value) new Int32Array(nearest.buffer)[0]--;
  return nearest[0];
}

/** Coins on the host in two parts, `[count]` each. */
export function coinParts(coins: readonly number[]): CoinParts<HostTensor> {
  const high = Float32Array.from(coins, roundedDown);
  return {
    high: hostTensor(high),
    low: hostTensor(Float32Array.from(coins, (coin, i) => coin - high[i])),
  };
}

/** Tables have so many rows, or a multiple of it: few shapes are few plans. */
const ROWS = 16;

/** Where a block may start, and how many tokens it drafts. */
export interface BlockStarts {
  /** The first place. */
  readonly first: number;
  /** How many places there are, from that on. */
  readonly starts: number;
  /** Drafted tokens. */
  readonly gamma: number;
  /** How many places there may be when such a block comes again. */
  readonly most: number;
}

/**
 * The coins of blocks that start at `first`, `first + 1`, ...: f32 `[rows, 5 * gamma + 3]`. The last
 * column is the start itself; rows behind those of the starts are zeros.
 */
export function coinTable(coins: Coins, { first, starts, gamma, most }: BlockStarts): HostTensor {
  const width = 5 * gamma + 3;
  const rows = ROWS * Math.ceil(Math.max(starts, most) / ROWS);
  const table = new Float32Array(rows * width);
  for (let row = 0; row < starts; row++) {
    const start = first + row;
    const places = Array.from({ length: gamma }, (_, i) => start + i);
    const draft = places.map((place) => coins.draft(start, place));
    const sample = [...places, start + gamma].map((place) => coins.sample(place));
    const high = [...draft, ...sample].map(roundedDown);
    const low = [...draft, ...sample].map((coin, i) => coin - high[i]);
    const accept = places.map((place) => roundedDown(coins.accept(start, place)));
    table.set([...high, ...low, ...accept, start], row * width);
  }
  return hostTensor(table, [rows, width]);
}

/** The coins of the block that starts at one place. */
export interface BlockCoins extends RoundCoinTensors {
  /** `[gamma]`: draw the drafted tokens. */
  readonly draft: CoinParts<Tensor>;
}

/** The coins of the block that starts at `start`, i32 `[1]`. */
export function coinsAt(table: Tensor, start: Tensor): BlockCoins {
  const [, width] = table.shape;
  const gamma = (width - 3) / 5;
  const first = cast(reshape(sliceAxis(sliceAxis(table, 0, 0, 1), 1, width - 1, 1), [1]), "i32");
  const row = reshape(gather(table, sub(start, first)), [width]);
  const part = (from: number, count: number): Tensor => sliceAxis(row, 0, from, count);
  const drawn = 2 * gamma + 1;
  return {
    draft: { high: part(0, gamma), low: part(drawn, gamma) },
    sample: { high: part(gamma, gamma + 1), low: part(drawn + gamma, gamma + 1) },
    accept: part(2 * drawn, gamma),
  };
}
