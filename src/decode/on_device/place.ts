/**
 * Where a text stands on a device, and the rows that go on from there.
 *
 * A device that decodes several tokens without a word to the host keeps the text's length itself.
 * Rollback is a smaller length: rows behind it are written again.
 *
 * @module
 */
import { add, and, full, less, sub, where } from "../../core/elementwise_ops.ts";
import { type HostTensor, hostTensor } from "../../core/host_tensor.ts";
import { concat, iota } from "../../core/movement_ops.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { LlamaRows } from "../../nn/llama.ts";
import type { TokenId } from "../language_model.ts";
import { pick } from "./standing.ts";
import type { VerdictTensors } from "./law.ts";

/** The end of a text. */
export interface Place<Leaf> {
  /** i32 `[1]`: how many tokens it has. */
  readonly length: Leaf;
  /** i32 `[2]`: its last tokens; what is before the first is 0. */
  readonly last: Leaf;
}

/** The place at the end of a text of one token or more. */
export function placeAfter(text: readonly TokenId[]): Place<HostTensor> {
  return {
    length: hostTensor(Int32Array.of(text.length)),
    last: hostTensor(Int32Array.of(text.at(-2) ?? 0, text[text.length - 1])),
  };
}

/** The place after the tokens of a block that stand, i32 `[gamma]` drafted, and the next one. */
export function advanced(
  { length, last }: Place<Tensor>,
  drafted: Tensor,
  { accepted, next }: VerdictTensors,
): Place<Tensor> {
  const block = concat([sliceLast(last), drafted], 0);
  return {
    length: add(add(length, accepted), 1),
    last: concat([pick(block, accepted), next], 0),
  };
}

/** The last token of a place, i32 `[1]`. */
export function sliceLast(last: Tensor): Tensor {
  return pick(last, full([1], 1, "i32"));
}

/**
 * Rows of a chain of tokens, i32 `[rows]`, the first of which is at position `first`, i32 `[1]`. Those
 * before the text's beginning or beyond the context see nothing and write nowhere.
 */
export function chainRows(tokens: Tensor, first: Tensor, contextLength: number): LlamaRows {
  const { shape } = tokens;
  const positions = add(iota(shape, 0), first);
  const isInside = and(less(-1, positions), less(positions, contextLength));
  return {
    tokens: where(isInside, tokens, 0),
    positions: where(isInside, positions, 0),
    start: full(shape, 0, "i32"),
    end: where(isInside, add(positions, 1), 0),
    slots: where(isInside, positions, -1),
  };
}

/** How many drafted tokens, i32 `[1]` and at most `gamma`, a context has room for. */
export function roomFor(gamma: number, length: Tensor, contexts: readonly number[]): Tensor {
  return contexts.reduce(
    (room, context) => {
      const left = sub(context, length);
      return where(less(left, room), left, room);
    },
    full([1], gamma, "i32"),
  );
}
