/** Clipping, decay, accumulation, guards, averages, and how they compose. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { evaluateIn, type NumberArray, SINGLE } from "../../src/backends/reference/mod.ts";
import {
  cast,
  constant,
  foldIn,
  full,
  input,
  isTensor,
  keyOf,
  leavesOf,
  leavesWithPaths,
  mul,
  normals,
  OutriderError,
  type Tensor,
} from "../../src/core/mod.ts";
import {
  accumulate,
  adamW,
  addDecayedWeights,
  applyUpdates,
  chain,
  clipByGlobalNorm,
  ema,
  globalNorm,
  type GradientTransformation,
  scale,
  scaleByAdam,
  scaleBySchedule,
  skipNonFinite,
} from "../../src/optim/mod.ts";
import { type Loop, runLoop } from "./stepper.ts";

const parameters = { gain: input([3]), weight: input([2, 2]) };
const gradients = { gain: input([3]), weight: input([2, 2]) };
const sizes = [3, 4];
function loopOf<State>(
  transformation: GradientTransformation<State>,
): Loop<typeof parameters, State> {
  return { transformation, parameters, gradients: () => gradients, precision: SINGLE };
}

function draws(seed: number): Float32Array[] {
  return sizes.map((size, i) => normals(foldIn(foldIn(keyOf(seed), i), "draw"), size));
}

function feedOf(values: readonly NumberArray[]) {
  return [gradients.gain, gradients.weight].map((t, i) => [t, values[i]] as const);
}

function values(tensors: readonly Tensor[]): NumberArray[] {
  return evaluateIn(SINGLE, tensors, new Map());
}

const start = draws(50);

Deno.test("the global norm is that of all leaves as one vector", () => {
  const tree = {
    a: constant(Float32Array.of(3, 0)),
    b: [constant(Float32Array.of(4)), full([], 12)],
  };
  assertEquals(values([globalNorm(tree)])[0][0], 13);
});

Deno.test("clipping shortens gradients above the limit and leaves others and their direction", () => {
  const long = [Float32Array.of(3, 0, 0), Float32Array.of(0, 4, 0, 0)];
  const short = long.map((leaf) => leaf.map((x) => x / 100));
  const [first, second] = runLoop(loopOf(clipByGlobalNorm(1)), start, [
    feedOf(long),
    feedOf(short),
  ]);
  first.updates.forEach((leaf, k) =>
    leaf.forEach((x, i) => assertAlmostEquals(x, long[k][i] / 5, 1e-7))
  );
  assertEquals(second.updates, short);
  const [unclipped] = runLoop(loopOf(clipByGlobalNorm(Infinity)), start, [feedOf(long)]);
  assertEquals(unclipped.updates, long);
  assertThrows(() => clipByGlobalNorm(0), OutriderError, "above 0");
});

Deno.test("weights decay where the mask says so: matrices by default", () => {
  const zero = feedOf(sizes.map((size) => new Float32Array(size)));
  const decayed = (transformation = addDecayedWeights(0.5)) =>
    runLoop(loopOf(transformation), start, [zero])[0].updates;
  const half = start.map((leaf) => leaf.map((x) => x * 0.5));
  assertEquals(decayed(), [new Float32Array(3), half[1]]);
  assertEquals(decayed(addDecayedWeights(0.5, (path) => path === "gain")), [
    half[0],
    new Float32Array(4),
  ]);
});

Deno.test("accumulating N batches gives the step of one batch that is their mean", () => {
  const batches = [1, 2, 3, 4, 5, 6].map(draws);
  const meanOf = (three: Float32Array[][]) =>
    sizes.map((_, k) =>
      three[0][k].map((_, i) => (three[0][k][i] + three[1][k][i] + three[2][k][i]) / 3)
    );
  const inner = adamW({ rate: 0.1, weightDecay: 0.1 });
  const small = runLoop(loopOf(accumulate(inner, 3)), start, batches.map(feedOf));
  const large = runLoop(
    loopOf(inner),
    start,
    [meanOf(batches.slice(0, 3)), meanOf(batches.slice(3))].map(feedOf),
  );
  for (const [step, [a, b]] of [[0, [0, 1]], [1, [3, 4]]] as const) {
    const idle = [small[a], small[b]].flatMap(({ updates }) => updates.map((leaf) => [...leaf]));
    assert(idle.flat().every((x) => x === 0));
    const after = small[3 * step + 2].parameters;
    after.forEach((leaf, k) =>
      leaf.forEach((x, i) => assertAlmostEquals(x, large[step].parameters[k][i], 1e-6))
    );
  }
  assertThrows(() => accumulate(inner, 0), OutriderError, "from 1");
});

Deno.test("a gradient that is not finite changes nothing but the count of skips", () => {
  const good = [1, 2].map(draws);
  const guarded = skipNonFinite(adamW({ rate: 0.1 }));
  const clean = runLoop(loopOf(guarded), start, good.map(feedOf));
  const skips = (state: readonly NumberArray[]) => state.slice(-2).map(([count]) => count);
  for (const bad of [NaN, Infinity, -Infinity, 1e38]) {
    const broken = draws(9);
    broken[1][2] = bad;
    const feeds = [good[0], broken, broken, good[1]].map(feedOf);
    const ran = runLoop(loopOf(guarded), start, feeds);
    assertEquals(ran[2].parameters, ran[0].parameters);
    assertEquals(skips(ran[2].state), [2, 2]);
    assertEquals(ran[3].parameters, clean[1].parameters);
    assertEquals(skips(ran[3].state), [2, 0]);
  }
});

Deno.test("a schedule is read at the number of steps taken before", () => {
  const transformation = scaleBySchedule((step) => mul(-1, cast(step, "f32")));
  const ones = feedOf(sizes.map((size) => new Float32Array(size).fill(1)));
  const ran = runLoop(loopOf(transformation), start, [ones, ones, ones]);
  assertEquals(ran.map(({ updates }) => updates[1][0]), [-0, -1, -2]);
});

Deno.test("a chain passes updates on and gives the tuple of its links' states", () => {
  const transformation = chain(scale(2), scaleByAdam(), scale(-3));
  const [none, adam, last] = transformation.init(parameters);
  assertEquals([none, last], [{}, {}]);
  assertEquals(adam.first.weight.shape, [2, 2]);
  const twice = runLoop(loopOf(chain(scale(2), scale(-3))), start, [feedOf(draws(1))])[0].updates;
  assertEquals(twice, draws(1).map((leaf) => leaf.map((x) => x * 2 * -3)));
});

Deno.test("the average of parameters starts at them and follows them", () => {
  const { init, step } = ema(0.75);
  const [old, now] = [1, 2].map((x) => ({ weight: constant(Float32Array.of(x, -x)) }));
  assertEquals(values(leavesOf(init(old), isTensor))[0], Float32Array.of(1, -1));
  assertEquals(values([step(init(old), now).weight])[0], Float32Array.of(1.25, -1.25));
  assertEquals(values([step(init(now), now).weight])[0], Float32Array.of(2, -2));
});

Deno.test("states keep their shapes and types from step to step, so that one plan serves all", () => {
  const transformation = skipNonFinite(accumulate(adamW({ rate: 0.1 }), 2));
  const before = transformation.init(parameters);
  const { state, updates } = transformation.update(gradients, before, parameters);
  const describe = (tree: unknown) =>
    leavesWithPaths(tree, isTensor).map(({ path, leaf }) => [path, leaf.type, leaf.shape]);
  assertEquals(describe(state), describe(before));
  assertEquals(describe(applyUpdates(parameters, updates)), describe(parameters));
});

Deno.test("gradients and states of other parameters are refused", () => {
  const optimizer = scaleByAdam();
  const state = optimizer.init(parameters);
  const wrongShape = { gain: input([3]), weight: input([2, 3]) };
  assertThrows(() => optimizer.update(wrongShape, state, parameters), OutriderError, "weight");
  const other = { gain: input([3]), head: input([2, 2]) };
  assertThrows(() => optimizer.update(other, state, other), OutriderError, "head");
});
