/**
 * Gradient transformations: what an optimiser is made of.
 *
 * A transformation turns gradients into updates and keeps a state, as an `init`/`update` pair of
 * pure functions on trees of tensors. It builds graph and computes nothing, so that forward pass,
 * gradients and optimiser compile into one plan whose state is donated. All that changes from step
 * to step, the step count included, is a tensor in the state: no step compiles anything.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type Gradients, isTensor } from "../core/grad.ts";
import { sameShape, shapeText } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { type LeafAt, leavesOf, leavesWithPaths, withLeaves } from "../core/tree.ts";

/** What a transformation gives: updates to add to the parameters, and its next state. */
export interface Transformed<Updates, State> {
  /** A tree like the parameters; {@link applyUpdates} adds it to them. */
  readonly updates: Updates;
  /** The state for the next step, with the same shapes and types. */
  readonly state: State;
}

/**
 * A step of an optimiser, or a whole one: the same type, so that combinators compose.
 *
 * @typeParam State a tree whose leaves are tensors
 */
export interface GradientTransformation<State> {
  /**
   * The state before the first step: constants, and functions of the parameters, which the runtime
   * evaluates once.
   */
  readonly init: <Parameters>(parameters: Parameters) => State;
  /** Updates for gradients, and the next state. Parameters are those before the update. */
  readonly update: <Parameters>(
    gradients: Gradients<Parameters>,
    state: State,
    parameters: Parameters,
  ) => Transformed<Gradients<Parameters>, State>;
}

/** The state of a transformation that remembers nothing. */
export type NoState = Readonly<Record<never, never>>;

/** Tensors like the leaves of a parameter tree, by the leaf's path, such as `layers.0.query`. */
export type ByPath = Readonly<Record<string, Tensor>>;

/** A transformation told by leaves: a list of gradients to a list of updates. */
export interface LeafRule<State> {
  /** The first state for the parameters' leaves. */
  readonly init: (parameters: readonly LeafAt<Tensor>[]) => State;
  /** The updates, one per gradient and in their order, and the next state. */
  readonly update: (
    gradients: readonly Tensor[],
    state: State,
    parameters: readonly LeafAt<Tensor>[],
  ) => Transformed<readonly Tensor[], State>;
}

/**
 * The transformation that a rule on leaves describes.
 *
 * Its `update` throws an OutriderError where gradients and parameters are not trees of one
 * structure.
 *
 * @example
 * ```ts
 * import { input, neg } from "@outrider/outrider/core";
 * import { transformLeaves } from "@outrider/outrider/optim";
 * import { assertEquals } from "@std/assert";
 *
 * const ascent = transformLeaves({
 *   init: () => ({}),
 *   update: (gradients, state) => ({ updates: gradients.map(neg), state }),
 * });
 * const weight = input([2, 3]);
 * assertEquals(ascent.update(input([2, 3]), ascent.init(weight), weight).updates.op.name, "neg");
 * ```
 */
export function transformLeaves<State>(rule: LeafRule<State>): GradientTransformation<State> {
  return {
    init: (parameters) => rule.init(leavesWithPaths(parameters, isTensor)),
    update: (gradients, state, parameters) => {
      const at = leavesWithPaths(parameters, isTensor);
      const leaves = leavesOf(gradients, isTensor);
      checkAlike(leaves, at);
      const made = rule.update(leaves, state, at);
      return { updates: withLeaves(parameters, isTensor, made.updates), state: made.state };
    },
  };
}

function checkAlike(gradients: readonly Tensor[], parameters: readonly LeafAt<Tensor>[]): void {
  parameters.forEach(({ path, leaf }, i) => {
    const found = gradients[i];
    if (found !== undefined && found.type === "f32" && sameShape(found.shape, leaf.shape)) return;
    throw new OutriderError(
      `a gradient f32${shapeText(leaf.shape)} of parameter ${path}`,
      found === undefined ? "none" : `${found.type}${shapeText(found.shape)}`,
      "pass gradients of the very parameters that are given",
    );
  });
  if (gradients.length === parameters.length) return;
  throw new OutriderError(
    `${parameters.length} gradients`,
    `${gradients.length}`,
    "pass gradients of the very parameters that are given",
  );
}

/** The tree with other tensors at its leaves: tensors replace tensors, so the type stays. */
export function replaceLeaves<T>(tree: T, leaves: readonly Tensor[]): T;
export function replaceLeaves(tree: unknown, leaves: readonly Tensor[]): unknown {
  return withLeaves(tree, isTensor, leaves);
}

/** A tensor for every parameter, by path. */
export function byPath(
  parameters: readonly LeafAt<Tensor>[],
  make: (parameter: LeafAt<Tensor>, index: number) => Tensor,
): ByPath {
  return Object.fromEntries(parameters.map((at, index) => [at.path, make(at, index)]));
}

/** The tensor that belongs to a parameter. */
export function atPath(tensors: ByPath, path: string): Tensor {
  const found = Object.hasOwn(tensors, path) ? tensors[path] : undefined;
  if (found !== undefined) return found;
  throw new OutriderError(
    `optimiser state for parameter ${path}`,
    "none",
    "start from init with these parameters, or resume with the parameters of the checkpoint",
  );
}
