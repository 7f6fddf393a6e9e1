/** Rows of draft and target logits, and losses of them with their gradients, for the loss tests. */
import { DOUBLE, evaluateIn, type Precision } from "../../src/backends/reference/mod.ts";
import { foldIn, grad, input, keyOf, mul, normals, sum, type Tensor } from "../../src/core/mod.ts";
import type { DistillationLoss } from "../../src/losses/mod.ts";

/** Logits of both models and the mask, row-major. */
export interface Problem {
  readonly rows: number;
  readonly vocabulary: number;
  readonly draft: Float64Array;
  readonly target: Float64Array;
  readonly mask: Float64Array;
}

/** Random rows of which every fourth does not count. */
export function randomProblem(seed: number, rows = 7, vocabulary = 11, spread = 2): Problem {
  const draw = (name: string) =>
    Float64Array.from(normals(foldIn(keyOf(seed), name), rows * vocabulary), (x) => x * spread);
  return {
    rows,
    vocabulary,
    draft: draw("draft"),
    target: draw("target"),
    mask: Float64Array.from({ length: rows }, (_, row) => row % 4 === 3 ? 0 : 1),
  };
}

/** A loss and where it leads. */
export interface Measured {
  readonly value: number;
  /** The gradient on the draft's logits. */
  readonly gradient: Float64Array;
}

function operands({ rows, vocabulary }: Problem) {
  const logits = () => input([rows, vocabulary]);
  return { draft: logits(), target: logits(), mask: input([rows]), direction: logits() };
}

type Operands = ReturnType<typeof operands>;

function evaluate(
  outputs: readonly Tensor[],
  tensors: Operands,
  problem: Problem,
  direction: Float64Array,
  precision: Precision,
): Float64Array[] {
  const bindings = new Map([
    [tensors.draft, problem.draft],
    [tensors.target, problem.target],
    [tensors.mask, problem.mask],
    [tensors.direction, direction],
  ]);
  return evaluateIn(precision, outputs, bindings).map((x) => Float64Array.from(x));
}

/** The loss and its gradient on the draft's logits. */
export function measure(
  loss: DistillationLoss,
  problem: Problem,
  precision: Precision = DOUBLE,
): Measured {
  const tensors = operands(problem);
  const { draft, target, mask } = tensors;
  const outputs = [loss(draft, target, mask), grad(loss)(draft, target, mask)];
  const nowhere = problem.draft.map(() => 0);
  const [[value], gradient] = evaluate(outputs, tensors, problem, nowhere, precision);
  return { value, gradient };
}

/** The second derivative of the loss along a direction, from the graph. */
export function curvature(
  loss: DistillationLoss,
  problem: Problem,
  direction: Float64Array,
): number {
  const tensors = operands(problem);
  const { draft, target, mask } = tensors;
  const slope = (z: Tensor): Tensor => sum(mul(grad(loss)(z, target, mask), tensors.direction));
  const second = sum(mul(grad(slope)(draft), tensors.direction));
  return evaluate([second], tensors, problem, direction, DOUBLE)[0][0];
}

/** A random direction in which to move a draft. */
export function randomDirection(seed: number, length: number): Float64Array {
  return Float64Array.from(normals(foldIn(keyOf(seed), "direction"), length));
}

/** The problem with the draft moved along a direction. */
export function moved(problem: Problem, direction: Float64Array, length: number): Problem {
  return { ...problem, draft: problem.draft.map((z, i) => z + length * direction[i]) };
}

/** The inner product of two vectors. */
export function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((total, x, i) => total + x * b[i], 0);
}

/** The cosine of the angle between two vectors. */
export function cosine(a: Float64Array, b: Float64Array): number {
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** softmax of one row, in plain numbers. */
export function softmaxRow(logits: Float64Array): Float64Array {
  const peak = Math.max(...logits);
  const grown = logits.map((z) => Math.exp(z - peak));
  const total = grown.reduce((a, b) => a + b, 0);
  return grown.map((x) => x / total);
}

/** One row of both distributions, the rewards r = 1{q > p}, and S = sum p r. */
export interface PlainRow {
  readonly p: Float64Array;
  readonly q: Float64Array;
  readonly reward: Float64Array;
  readonly meanReward: number;
}

/** A row in plain numbers. */
export function rowOf(problem: Problem, row: number): PlainRow {
  const [from, to] = [row * problem.vocabulary, (row + 1) * problem.vocabulary];
  const p = softmaxRow(problem.draft.slice(from, to));
  const q = softmaxRow(problem.target.slice(from, to));
  const reward = p.map((mass, v) => q[v] > mass ? 1 : 0);
  return { p, q, reward, meanReward: dot(p, reward) };
}

/** Builds a gradient row by row as the mean over the rows that count. */
export function gradientByRows(
  problem: Problem,
  ofRow: (row: PlainRow) => Float64Array,
): Float64Array {
  const count = problem.mask.reduce((a, b) => a + b, 0);
  return Float64Array.from(
    Array.from(
      { length: problem.rows },
      (_, row) => [...ofRow(rowOf(problem, row)).map((g) => g * problem.mask[row] / count)],
    ).flat(),
  );
}
