/**
 * Cases of attention and of its gradients: windows, trees, grouped heads, and rows that see nothing.
 */
import * as core from "../../src/core/mod.ts";
import type { HostTensor, Tensor } from "../../src/core/mod.ts";
import { type Case, drawn, normal, type OpCases } from "./case.ts";

/** Sizes of one attention. */
interface Sizes {
  readonly rows: number;
  readonly slots: number;
  readonly heads: number;
  readonly groups: number;
  readonly width: number;
  readonly extras: number;
}

const sizes = (
  rows: number,
  slots: number,
  heads: number,
  groups: number,
  width: number,
  extras = 0,
): Sizes => ({ rows, slots, heads, groups, width, extras });

const SHAPES: readonly Sizes[] = [
  sizes(1, 1, 1, 1, 1),
  sizes(0, 7, 2, 1, 4),
  sizes(0, 7, 2, 1, 4, 2),
  sizes(3, 0, 2, 1, 4),
  sizes(3, 7, 4, 2, 8),
  sizes(3, 7, 4, 2, 8, 3),
  sizes(7, 17, 2, 2, 17),
  sizes(1, 130, 9, 3, 64),
  sizes(2, 260, 4, 2, 6, 3),
  sizes(17, 65, 9, 3, 64, 2),
  sizes(65, 130, 3, 1, 16),
  sizes(4, 64, 4, 4, 3, 1),
  sizes(2, 5, 3, 1, 130),
  sizes(3, 5, 2, 1, 0),
  sizes(2, 300, 1, 1, 7),
];

/** Windows of many kinds: growing, sliding, of one slot, and empty ones (also backwards). */
function windows({ rows, slots, extras }: Sizes): HostTensor[] {
  const last = slots - extras;
  const end = Int32Array.from({ length: rows }, (_, r) => {
    return [last, r % (last + 1), Math.min(last, 2 * r + 1), 0][r % 4];
  });
  const start = end.map((to, r) => {
    return [0, Math.max(0, to - 3), Math.min(to + 2, last), Math.max(0, to - 1)][(r >> 1) % 4];
  });
  const both = [core.hostTensor(start), core.hostTensor(end)];
  if (extras === 0) return both;
  const extra = Int32Array.from({ length: rows * extras }, (_, i) => {
    return (i + (i >> 2)) % 3 === 0 ? -1 : last + i % extras;
  });
  return [...both, core.hostTensor(extra, [rows, extras])];
}

function operands(each: Sizes): HostTensor[] {
  const { rows, slots, heads, groups, width } = each;
  const table = [slots, groups, width];
  return [
    drawn([rows, heads, width], normal, 1),
    drawn(table, normal, 2),
    drawn(table, normal, 3),
    ...windows(each),
  ];
}

const named = ({ rows, slots, heads, groups, width, extras }: Sizes): string =>
  `${rows} rows, ${slots} slots, ${heads} heads on ${groups}, width ${width}, ${extras} extra`;

const usualScale = ({ width }: Sizes): number => Math.max(1, width) ** -0.5;

function attend(scale: number): (...inputs: Tensor[]) => Tensor {
  return (query, key, value, start, end, extra) =>
    core.attention(
      { query, key, value, start, end, ...(extra === undefined ? {} : { extra }) },
      { scale },
    );
}

function attentions(): Case[] {
  const straight = SHAPES.map((each): Case => ({
    label: named(each),
    inputs: operands(each),
    f: attend(usualScale(each)),
  }));
  const steep: Case = {
    label: "scores far from zero",
    inputs: operands(sizes(5, 17, 2, 1, 8)),
    f: attend(20),
    tolerance: { relative: 1e-4, floor: 1e-4 },
    noGradient: "the softmax is a step there",
  };
  const cache: Case = {
    label: "keys and values out of one reshaped table, query computed",
    inputs: [drawn([7, 24], normal, 1), drawn([10, 12], normal, 2)],
    f: (x, table) => {
      const query = core.reshape(core.mul(x, 0.5), [7, 4, 6]);
      const slots = core.reshape(table, [10, 2, 6]);
      const start = core.full([7], 0, "i32");
      return core.attention({ query, key: slots, value: slots, start, end: core.iota([7], 0) });
    },
  };
  const halves = SHAPES.filter(({ width }) => width % 8 === 0).map((each): Case => ({
    label: `keys and values in halves, ${named(each)}`,
    inputs: operands(each),
    f: (query, key, value, ...rest) =>
      attend(usualScale(each))(query, core.toHalves(key), core.toHalves(value), ...rest),
    noGradient: "none passes through halves",
  }));
  return [...straight, steep, cache, ...halves];
}

function attentionGrads(): Case[] {
  return SHAPES.flatMap((each) =>
    (["query", "key", "value"] as const).map((operand): Case => ({
      label: `${operand}: ${named(each)}`,
      inputs: [...operands(each), drawn([each.rows, each.heads, each.width], normal, 4)],
      f: (...inputs) =>
        core.node(
          { name: "attentionGrad", attributes: { scale: usualScale(each), operand } },
          inputs,
        ),
    }))
  );
}

/** Cases of attention and of its gradients. */
export const ATTENTION_CASES: { readonly [name in "attention" | "attentionGrad"]: OpCases } = {
  attention: { tolerance: { relative: 1e-5, floor: 2e-6 }, cases: attentions() },
  attentionGrad: { tolerance: { relative: 1e-5, floor: 1e-5 }, cases: attentionGrads() },
};
