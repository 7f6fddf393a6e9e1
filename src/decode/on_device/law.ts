/**
 * How logits become tokens on a device, and how drafted tokens are judged by them.
 *
 * @module
 */
import type { Tensor } from "../../core/tensor.ts";
import type { ClassTables } from "./classes.ts";
import type { CoinParts } from "./draw.ts";
import type { SamplingNumbers } from "./sampling.ts";

/** What a verdict has to know of how a token was drawn: arrays that only its law understands. */
export type Evidence<Leaf> = readonly Leaf[];

/** Tokens that were chosen. */
export interface Chosen {
  /** i32 `[rows]`; -1 where a row's logits are not numbers. */
  readonly tokens: Tensor;
  /** Of one row: what a later verdict on its token has to know. */
  readonly evidence: Evidence<Tensor>;
}

/** What a target pass over a block has to judge, as tensors. */
export interface RoundTensors {
  /** i32 `[gamma]`: the drafted classes. */
  readonly drafted: Tensor;
  /** What the law gave with each of them, `[gamma]`. */
  readonly evidence: readonly Evidence<Tensor>[];
  /** f32 `[gamma + 1, vocabulary]`: the target's. */
  readonly targetLogits: Tensor;
  /** i32 `[1]`: how many of the drafted tokens are to be judged; the rest never stands. */
  readonly limit: Tensor;
  /** What the classes stand for. */
  readonly classes: ClassTables;
}

/** The chance in a verdict. */
export interface RoundCoinTensors {
  /** f32 `[gamma]`: accepts or rejects a drafted token. */
  readonly accept: Tensor;
  /** `[gamma + 1]`: draws the next token, should it come at this place. */
  readonly sample: CoinParts<Tensor>;
}

/** What stands of a block. */
export interface VerdictTensors {
  /** i32 `[1]`: how many drafted tokens stand. */
  readonly accepted: Tensor;
  /** i32 `[1]`: the token that follows them, or -1 where its logits are not numbers. */
  readonly next: Tensor;
}

/** How tokens come about, as functions on tensors. */
export interface TokenLaw {
  /** The token of each row of logits, f32 `[rows, vocabulary]`. */
  choose(logits: Tensor, coins: CoinParts<Tensor>, sampling: SamplingNumbers<Tensor>): Chosen;
  /** Judges a block. */
  judge(
    round: RoundTensors,
    coins: RoundCoinTensors,
    sampling: SamplingNumbers<Tensor>,
  ): VerdictTensors;
}
