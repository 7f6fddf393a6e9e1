/**
 * Attention written out in primitive operations.
 *
 * The fused operations `attention` and `attentionGrad` are what runs. This is what they mean, and
 * what second derivatives go through: it holds a [heads, rows, slots] array.
 *
 * @module
 */
import { add, and, cast, div, equal, exp, less, mul, not } from "./elementwise_ops.ts";
import { or, stopGradient, sub, where } from "./elementwise_ops.ts";
import { matmul, maxKeeping, sumKeeping } from "./linear_ops.ts";
import { iota, permute, reshape, sliceAxis, transpose } from "./movement_ops.ts";
import type { Shape } from "./shape.ts";
import type { AttentionAttributes, Tensor } from "./tensor.ts";

/** Attention's operands in the operation's order: query, key, value, start, end, extra. */
export type Operands = readonly Tensor[];

/** bool [rows, slots]: which slots each row sees. */
function visibility(operands: Operands): Tensor {
  const [query, key, , start, end, extra] = operands;
  const [rows, slots] = [query.shape[0], key.shape[0]];
  const slot = iota([rows, slots], 1);
  const from = not(less(slot, reshape(start, [rows, 1])));
  const window = and(from, less(slot, reshape(end, [rows, 1])));
  if (extra === undefined) return window;
  const columns = Array.from({ length: extra.shape[1] }, (_, i) => sliceAxis(extra, 1, i, 1));
  return columns.reduce((seen, column) => or(seen, equal(slot, column)), window);
}

/** [rows, heads, d] as [groups, rows * heads / groups, d], rows outermost within a group. */
function byGroup(x: Tensor, groups: number): Tensor {
  const [rows, heads, width] = x.shape;
  const split = reshape(x, [rows, groups, heads / groups, width]);
  return reshape(permute(split, [1, 0, 2, 3]), [groups, rows * heads / groups, width]);
}

/** The inverse of {@link byGroup}, for the shape [rows, heads, d]. */
function byRow(x: Tensor, shape: Shape): Tensor {
  const [rows, heads, width] = shape;
  const groups = x.shape[0];
  const split = reshape(x, [groups, rows, heads / groups, width]);
  return reshape(permute(split, [1, 0, 2, 3]), shape);
}

/** softmax(scale q k^T) under the mask, [groups, rows * heads / groups, slots]. */
function probabilities(operands: Operands, scale: number): Tensor {
  const [query, key] = operands;
  const [rows, heads] = query.shape;
  const [slots, groups] = key.shape;
  const repeats = heads / groups;
  const keys = permute(key, [1, 2, 0]);
  const scores = mul(matmul(byGroup(query, groups), keys), scale);
  const seen = reshape(visibility(operands), [1, rows, 1, slots]);
  const split = reshape(scores, [groups, rows, repeats, slots]);
  const masked = where(seen, split, -1e30);
  const grown = mul(exp(sub(masked, stopGradient(maxKeeping(masked, [-1])))), cast(seen, "f32"));
  const total = sumKeeping(grown, [-1]);
  const safe = add(total, cast(equal(total, 0), "f32"));
  return reshape(div(grown, safe), [groups, rows * repeats, slots]);
}

/** What `attention` computes. */
export function attentionByParts(operands: Operands, { scale }: AttentionAttributes): Tensor {
  const values = permute(operands[2], [1, 0, 2]);
  return byRow(matmul(probabilities(operands, scale), values), operands[0].shape);
}

/** What `attentionGrad` computes; the last operand is the cotangent. */
export function attentionGradByParts(
  inputs: Operands,
  { scale, operand }: AttentionAttributes & { readonly operand: "query" | "key" | "value" },
): Tensor {
  const operands = inputs.slice(0, -1);
  const [query, key, value] = operands;
  const groups = key.shape[1];
  const chance = probabilities(operands, scale);
  const cotangent = byGroup(inputs[inputs.length - 1], groups);
  if (operand === "value") return permute(matmul(transpose(chance), cotangent), [1, 0, 2]);
  const reward = matmul(cotangent, permute(value, [1, 2, 0]));
  const centred = sub(reward, sumKeeping(mul(chance, reward), [-1]));
  const scoreGrad = mul(mul(chance, centred), scale);
  if (operand === "query") {
    return byRow(matmul(scoreGrad, permute(key, [1, 0, 2])), query.shape);
  }
  return permute(matmul(transpose(scoreGrad), byGroup(query, groups)), [1, 0, 2]);
}
