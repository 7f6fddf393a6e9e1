/**
 * Runs one case on a device and holds values and gradients to the reference evaluator.
 */
import * as core from "../../src/core/mod.ts";
import type { HostArray, HostTensor, Tensor } from "../../src/core/mod.ts";
import { evaluateGraph } from "../../src/backends/reference/mod.ts";
import { compile, type Device, read, releaseTree, upload } from "../../src/runtime/mod.ts";
import type { Case, OpCases, Tolerance } from "./case.ts";

/** Gradients are products and sums of what the operation computes. */
const GRADIENT: Tolerance = { relative: 2e-5, floor: 3e-5 };

/** Second derivatives of larger cases would show nothing new. */
const MOST_SECOND = 1000;

const defined = (tensors: readonly (Tensor | undefined)[]): Tensor[] =>
  tensors.filter((tensor) => tensor !== undefined);

/** The sum of all elements with fixed random weights. */
function weighed(tensors: readonly Tensor[]): Tensor {
  return tensors
    .map((t, i) => core.sum(core.mul(t, weightsLike(t, i))))
    .reduce((a, b) => core.add(a, b), core.full([], 0));
}

function weightsLike({ shape }: Tensor, seed: number): Tensor {
  return core.constant(core.normals(core.keyOf(77 + seed), core.sizeOf(shape)), shape);
}

/** The value and, where there are any, its first and second derivatives for the f32 inputs. */
function graphOf({ f, noGradient }: Case, inputs: readonly Tensor[]): Tensor[] {
  const value = f(...inputs);
  const variables = inputs.filter(({ type }) => type === "f32");
  if (noGradient !== undefined || value.type !== "f32") return [value];
  const first = defined(core.pullback(value, weightsLike(value, 0), variables));
  if (core.sizeOf(value.shape) > MOST_SECOND || first.length === 0) return [value, ...first];
  const second = core.pullback(weighed(first), core.full([], 1), variables);
  return [value, ...first, ...defined(second)];
}

/** A text for the first element that is too far off, or undefined. */
export function mismatch(
  found: HostArray,
  expected: HostArray,
  { relative, floor }: Tolerance,
): string | undefined {
  if (found.length !== expected.length) return `${found.length} elements of ${expected.length}`;
  for (const [i, value] of expected.entries()) {
    if (found[i] === value || Object.is(found[i], value)) continue;
    const limit = relative * Math.abs(value) + floor;
    if (!(Math.abs(found[i] - value) <= limit)) return `element ${i}: ${found[i]}, not ${value}`;
  }
  return undefined;
}

function expectedOf(each: Case): HostArray[] {
  const inputs = each.inputs.map(({ shape, type }) => core.input(shape, type));
  const bindings = new Map(inputs.map((t, i) => [t, each.inputs[i].data]));
  return evaluateGraph(graphOf(each, inputs), bindings);
}

async function foundOf(device: Device, each: Case): Promise<HostArray[]> {
  const compiled = compile(device, (...inputs: Tensor[]) => graphOf(each, inputs));
  const arrays = each.inputs.map((tensor: HostTensor) => upload(device, tensor));
  const results = compiled(...arrays);
  const found: HostArray[] = [];
  for (const result of results) found.push(await read(result));
  releaseTree([arrays, results]);
  return found;
}

/** Complaints about one case; none where the device computes what the reference does. */
export async function complaints(device: Device, each: Case, op: OpCases): Promise<string[]> {
  const expected = expectedOf(each);
  const found = await foundOf(device, each);
  return expected.flatMap((values, i) => {
    const tolerance = i > 0 ? GRADIENT : each.tolerance ?? op.tolerance;
    const wrong = mismatch(found[i], values, tolerance);
    return wrong === undefined
      ? []
      : [`${each.label}, ${i > 0 ? `gradient ${i}` : "value"}: ${wrong}`];
  });
}
