/** Runs a transformation as a training loop does: one graph for all steps, state in, state out. */
import { evaluateIn, type NumberArray, type Precision } from "../../src/backends/reference/mod.ts";
import { type Gradients, input, isTensor, leavesOf, type Tensor } from "../../src/core/mod.ts";
import { applyUpdates, type GradientTransformation } from "../../src/optim/mod.ts";
import { replaceLeaves } from "../../src/optim/transformation.ts";

/** The tree with graph inputs in place of its leaves. */
export function placeholders<T>(tree: T): T {
  return replaceLeaves(tree, leavesOf(tree, isTensor).map((t) => input(t.shape, t.type)));
}

/** Values for the leaves of a tree, in their order. */
export type LeafValues = readonly NumberArray[];

/** What a loop runs. */
export interface Loop<Parameters, State> {
  readonly transformation: GradientTransformation<State>;
  readonly parameters: Parameters;
  /** The gradients at the parameters, and inputs that change from step to step. */
  readonly gradients: (parameters: Parameters) => Gradients<Parameters>;
  readonly precision: Precision;
}

/** What is left after each step. */
export interface Step {
  readonly parameters: LeafValues;
  readonly updates: LeafValues;
  readonly state: LeafValues;
}

/** Feeds of one step: values of further inputs that the gradients read. */
export type Feed = readonly (readonly [Tensor, NumberArray])[];

function bind(tensors: readonly Tensor[], values: LeafValues): [Tensor, NumberArray][] {
  return tensors.map((tensor, i) => [tensor, values[i]]);
}

/** Runs one step per feed from the given parameter values; gives what each step left. */
export function runLoop<Parameters, State>(
  loop: Loop<Parameters, State>,
  start: LeafValues,
  feeds: readonly Feed[],
): Step[] {
  const { transformation, precision } = loop;
  const current = placeholders(loop.parameters);
  const leaves = leavesOf(current, isTensor);
  const first = transformation.init(current);
  const state = placeholders(first);
  const stateLeaves = leavesOf(state, isTensor);
  const made = transformation.update(loop.gradients(current), state, current);
  const outputs = [applyUpdates(current, made.updates), made.updates, made.state]
    .map((tree) => leavesOf(tree, isTensor));
  const steps: Step[] = [];
  let before = start;
  let memory: LeafValues = evaluateIn(
    precision,
    leavesOf(first, isTensor),
    new Map(bind(leaves, start)),
  );
  for (const feed of feeds) {
    const bindings = new Map([...bind(leaves, before), ...bind(stateLeaves, memory), ...feed]);
    const values = evaluateIn(precision, outputs.flat(), bindings);
    const [a, b] = [outputs[0].length, outputs[0].length + outputs[1].length];
    before = values.slice(0, a);
    memory = values.slice(b);
    steps.push({ parameters: before, updates: values.slice(a, b), state: memory });
  }
  return steps;
}
