/**
 * Seeded random graphs: every op, over views of views, with shared operands and several outputs.
 *
 * Floats stay near [-3, 3] and only flow through continuous functions; conditions and indices come
 * from integers. So a backend that rounds differently still gives nearly the same numbers.
 */
import * as core from "../../src/core/mod.ts";
import type { Key, Tensor } from "../../src/core/mod.ts";

/** Draws from a key without ever repeating a draw. */
export interface Dice {
  /** A whole number from 0 up to, but without, `bound`. */
  below(bound: number): number;
  /** One of a list. */
  pick<T>(list: readonly T[]): T;
  /** True with the given probability. */
  chance(probability: number): boolean;
}

/** Dice of a key. */
export function dice(key: Key): Dice {
  let draws = 0;
  const uniform = (): number => core.uniform(core.foldIn(key, draws++));
  const below = (bound: number): number => Math.floor(uniform() * bound);
  return {
    below,
    pick: (list) => list[below(list.length)],
    chance: (probability) => uniform() < probability,
  };
}

type Pool = Tensor[];

const ofType = (pool: Pool, type: core.DType): Tensor[] => pool.filter((t) => t.type === type);
const floats = (pool: Pool): Tensor[] => ofType(pool, "f32");
const ints = (pool: Pool): Tensor[] => ofType(pool, "i32");

/** Factors of a size, to reshape with. */
function split(size: number, { pick, chance }: Dice): number[] {
  const factors = [1, 2, 3, 4, 5, 6].filter((factor) => size > 0 && size % factor === 0);
  const factor = pick(factors.length > 0 ? factors : [1]);
  const shape = size === 0 ? [size, 3] : [factor, size / factor];
  return chance(0.3) ? [shape[0], 1, shape[1]] : shape;
}

/** x as a matrix [rows, columns], its leading axes joined. */
function asMatrix(x: Tensor): Tensor {
  const columns = x.shape[x.shape.length - 1] ?? 1;
  const rows = core.sizeOf(x.shape.slice(0, -1));
  return core.reshape(x, [rows, columns]);
}

/** A random view of x. */
function view(x: Tensor, roll: Dice): Tensor {
  const rank = x.shape.length;
  const axis = roll.below(Math.max(1, rank));
  switch (roll.below(6)) {
    case 0:
      return core.reshape(x, split(core.sizeOf(x.shape), roll));
    case 1: {
      const order = core.permutation(core.keyOf(roll.below(1000)), rank);
      return core.permute(x, [...order]);
    }
    case 2: {
      if (rank === 0) return x;
      const start = roll.below(x.shape[axis] + 1);
      return core.sliceAxis(x, axis, start, roll.below(x.shape[axis] - start + 1));
    }
    case 3: {
      const ones = x.shape.map((size, i) => i === axis && size > 0 ? 1 : size);
      const first = rank === 0 || x.shape[axis] === 0
        ? x
        : core.slice(x, x.shape.map(() => 0), ones);
      return core.broadcastTo(first, [2, ...x.shape]);
    }
    case 4:
      return core.pad(x, x.shape.map(() => roll.below(2)), x.shape.map(() => roll.below(3)));
    default:
      return rank === 0 ? x : core.concat([x, x, core.sliceAxis(x, axis, 0, 0)], axis);
  }
}

/** b made to broadcast with a: itself where it does, else one number of it or a constant. */
function fitting(a: Tensor, b: Tensor): Tensor {
  const pairs = [...a.shape].reverse().map((
    size,
    i,
  ) => [size, b.shape[b.shape.length - 1 - i] ?? 1]);
  const grows = core.sizeOf(pairs.map(([left, right]) => left === 1 ? right : 1)) > 8;
  const fits = b.shape.length <= 4 && pairs.every(([x, y]) => x === y || x === 1 || y === 1);
  if (fits && !grows) return b;
  if (core.sizeOf(b.shape) === 0) return core.full([], 1, b.type === "i32" ? "i32" : "f32");
  const flat = core.reshape(b, [-1]);
  return core.reshape(core.slice(flat, [core.sizeOf(b.shape) - 1], [1]), []);
}

function condition(like: Tensor, pool: Pool, roll: Dice): Tensor {
  const numbers = fitting(like, roll.pick(ints(pool)));
  const axis = core.full(like.shape, 0, "i32");
  const left = roll.chance(0.5) && like.shape.length > 0
    ? core.iota(like.shape, roll.below(like.shape.length))
    : axis;
  const compare = roll.pick([core.less, core.equal]);
  const one = compare(left, numbers);
  const other = core.less(numbers, core.full([], roll.below(5), "i32"));
  return roll.pick([one, core.not(one), core.and(one, other), core.or(other, one)]);
}

function choice(a: Tensor, b: Tensor, pool: Pool, roll: Dice): Tensor {
  const seen = condition(a, pool, roll);
  return core.where(seen, a, fitting(seen, b));
}

function elementwise(pool: Pool, roll: Dice): Tensor {
  const a = roll.pick(floats(pool));
  const b = fitting(a, roll.pick(floats(pool)));
  // Only inputs have exact values, so only they may meet a function that jumps.
  const exact = core.permute(pool[0], roll.pick([[0, 1], [1, 0]]));
  const smooth = [core.tanh, core.sin, core.cos, core.neg, core.abs, core.sigmoid, core.identity];
  switch (roll.below(11)) {
    case 10:
      return core.add(core.lowHalf(core.packHalves(exact, 0.5)), fitting(exact, b));
    case 0:
      return core.mul(core.floor(exact), 0.5);
    case 1:
      return roll.pick(smooth)(a);
    case 2:
      return core.mul(core.tanh(a), b);
    case 3:
      return core.mul(roll.pick([core.add, core.sub])(a, b), 0.5);
    case 4:
      return roll.pick([core.maximum, core.minimum])(a, b);
    case 5:
      return core.div(a, core.add(core.mul(core.tanh(b), 0.5), 2));
    case 6:
      return core.sqrt(core.add(core.mul(core.sin(a), 0.5), 1));
    case 7:
      return core.log(core.add(core.exp(core.neg(core.abs(a))), 1));
    default:
      return choice(a, b, pool, roll);
  }
}

function integers(pool: Pool, roll: Dice): Tensor {
  const a = roll.pick(ints(pool));
  const b = fitting(a, roll.pick(ints(pool)));
  switch (roll.below(7)) {
    case 6:
      return core.argmax(roll.pick(pool.slice(0, 4)), -1);
    case 0:
      return roll.pick([core.add, core.sub, core.mul, core.maximum, core.minimum])(a, b);
    case 1:
      return core.cast(condition(a, pool, roll), "i32");
    case 2:
      return roll.pick([core.neg, core.abs])(a);
    case 3:
      return view(a, roll);
    case 4:
      return a.shape.length === 0 ? a : core.sum(a, [roll.below(a.shape.length)]);
    default:
      return choice(a, b, pool, roll);
  }
}

function reduction(pool: Pool, roll: Dice): Tensor {
  const x = roll.pick(floats(pool));
  const axes = x.shape.map((_, axis) => axis).filter(() => roll.chance(0.5));
  const filled = axes.every((axis) => x.shape[axis] > 0);
  if (x.shape.length > 0 && x.shape[x.shape.length - 1] > 0 && roll.chance(0.3)) {
    return roll.pick([core.softmax, core.logSumExp])(x);
  }
  if (filled && roll.chance(0.4)) return core.maxKeeping(x, axes);
  return filled ? core.meanKeeping(x, axes) : core.sumKeeping(x, axes);
}

function matmul(pool: Pool, roll: Dice): Tensor {
  const a = asMatrix(roll.pick(floats(pool)));
  const b = asMatrix(roll.pick(floats(pool)));
  const width = a.shape[1];
  if (b.shape[1] === width) return core.mul(core.matmul(a, core.transpose(b)), 1 / (width + 1));
  if (b.shape[0] === width) return core.mul(core.matmul(a, b), 1 / (width + 1));
  return core.mul(core.matmul(core.transpose(a), a), 1 / (a.shape[0] + 1));
}

function packed(pool: Pool, roll: Dice): Tensor {
  const weight = roll.pick(pool.filter((t) => core.isPacked(t.type)));
  const x = roll.pick(floats(pool));
  if (roll.chance(0.5)) {
    const indices = core.reshape(roll.pick(ints(pool)), [-1]);
    return core.gather(core.dense(weight), indices);
  }
  const [rows, columns] = weight.shape;
  const tiled = coerced(x, [2, columns]);
  const column = core.cast(core.iota([2, columns], 1), "f32");
  const product = core.linear(core.sin(core.add(tiled, column)), weight);
  return roll.chance(0.7)
    ? core.mul(product, 0.1)
    : core.sum(core.dense(weight), [rows > 1 ? 0 : 1]);
}

function tables(pool: Pool, roll: Dice): Tensor {
  const type = roll.chance(0.8) ? "f32" : "i32";
  const table = asMatrix(roll.pick(ofType(pool, type)));
  const indices = core.reshape(roll.pick(ints(pool)), [-1]);
  const rows = core.gather(asMatrix(roll.pick(ofType(pool, type))), indices);
  const updates = rows.shape[1] === table.shape[1] ? rows : core.gather(table, indices);
  switch (roll.below(3)) {
    case 0:
      return core.gather(table, indices);
    case 1:
      return core.scatterAdd(table, indices, updates);
    default:
      return core.scatterSet(table, indices, updates);
  }
}

/** x cut or repeated to a shape, so that any tensor can serve as an operand of any size. */
function coerced(x: Tensor, shape: core.Shape): Tensor {
  const size = core.sizeOf(shape);
  const have = core.sizeOf(x.shape);
  if (have === 0) return core.full(shape, 0.5);
  const flat = core.reshape(x, [1, have]);
  const times = Math.max(1, Math.ceil(size / have));
  const tiled = core.reshape(core.broadcastTo(flat, [times, have]), [times * have]);
  return core.reshape(core.slice(tiled, [0], [size]), shape);
}

function attention(pool: Pool, roll: Dice): Tensor {
  const [rows, slots, groups, width] = [roll.below(4), 1 + roll.below(5), 1 + roll.below(2), 3];
  const heads = groups * (1 + roll.below(2));
  const draw = (shape: core.Shape) => coerced(roll.pick(floats(pool)), shape);
  const row = core.iota([rows], 0);
  const extra = core.add(core.iota([rows, 2], 1), slots);
  const chosen = core.where(core.equal(core.iota([rows, 2], 0), 1), core.sub(extra, 0), -1);
  return core.attention({
    query: draw([rows, heads, width]),
    key: draw([slots + 2, groups, width]),
    value: draw([slots + 2, groups, width]),
    start: core.minimum(row, roll.below(3)),
    end: core.minimum(core.add(row, roll.below(3)), slots),
    ...(roll.chance(0.5) ? { extra: chosen } : {}),
  });
}

/** A step whose values are computed again for the gradient; it reads the pool besides. */
function checkpointed(pool: Pool, roll: Dice): Tensor {
  const step = roll.pick([elementwise, reduction, matmul]);
  const [at, more] = [roll.pick(floats(pool)), roll.chance(0.5)];
  const run = core.checkpoint((x: Tensor) => {
    const inner = pool.map((t) => t === at ? x : t);
    const made = core.tanh(step(inner, roll));
    return more ? step([...inner, made], roll) : made;
  });
  return run(at);
}

const STEPS = [
  elementwise,
  elementwise,
  elementwise,
  (pool: Pool, roll: Dice) => view(roll.pick(pool.filter((t) => !core.isPacked(t.type))), roll),
  (pool: Pool, roll: Dice) => view(roll.pick(floats(pool)), roll),
  integers,
  reduction,
  matmul,
  packed,
  tables,
  attention,
  checkpointed,
  (pool: Pool, roll: Dice) => core.after(roll.pick(floats(pool)), [roll.pick(floats(pool))]),
];

/** A gradient of what has been built, with respect to one of the float inputs. */
function gradientOf(pool: Pool, variable: Tensor, roll: Dice): Tensor {
  const targets = floats(pool).filter((t) => core.sizeOf(t.shape) > 0).slice(-4);
  const score = targets.map((t) => core.mean(core.sin(t))).reduce((a, b) => core.add(a, b));
  const [gradient] = core.pullback(score, core.full([], 1), [variable]);
  return gradient ?? core.full(variable.shape, roll.below(3));
}

/** Shapes and types of the inputs that every random graph takes. */
export const INPUTS: readonly { readonly shape: core.Shape; readonly type: core.ElementType }[] = [
  { shape: [4, 6], type: "f32" },
  { shape: [3, 1, 5], type: "f32" },
  { shape: [6], type: "f32" },
  { shape: [6, 4], type: "f32" },
  { shape: [5], type: "i32" },
  { shape: [2, 3], type: "i32" },
  { shape: [5, 32], type: "packed_q8_0" },
  { shape: [17, 3], type: "packed_f16" },
];

/** The outputs of the random graph of a key over the given inputs; the same key, the same graph. */
export function randomGraph(key: Key, inputs: readonly Tensor[]): Tensor[] {
  const roll = dice(key);
  const pool: Pool = [
    ...inputs,
    core.constant(core.normals(core.foldIn(key, "constant"), 12), [3, 4]),
    core.full([2, 4], 0.5),
  ];
  const steps = 4 + roll.below(20);
  for (let i = 0; i < steps; i++) {
    const made = roll.pick(STEPS)(pool, roll);
    if (core.sizeOf(made.shape) <= 1500) pool.push(made);
  }
  if (roll.chance(0.5)) pool.push(gradientOf(pool, inputs[roll.below(4)], roll));
  const computed = pool.filter((t) => !core.isPacked(t.type));
  const count = 1 + roll.below(6);
  const late = computed.slice(Math.floor(computed.length / 3));
  const outputs = Array.from({ length: count }, () => roll.pick(late));
  return [computed[computed.length - 1], ...outputs];
}
