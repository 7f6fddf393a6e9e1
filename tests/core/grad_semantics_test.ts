import { assertEquals, assertThrows } from "@std/assert";
import * as core from "../../src/core/mod.ts";
import { OutriderError, type Tensor } from "../../src/core/mod.ts";
import { evaluateGraph } from "../../src/backends/reference/mod.ts";

const scalar = (value: number): Tensor => core.constant(Float32Array.of(value), []);
const valueOf = (x: Tensor): number[] => [...evaluateGraph([x], new Map())[0]];

Deno.test("an inner gradient treats a closed-over outer variable as a constant", () => {
  // d/dx [x * d/dy (x + y)] = d/dx [x * 1] = 1; confusing x with y gives 2.
  const outer = core.grad((x: Tensor) => core.mul(x, core.grad((y: Tensor) => core.add(x, y))(x)));
  assertEquals(valueOf(outer(scalar(3))), [1]);
});

Deno.test("an inner gradient still depends on the outer variable it closed over", () => {
  // d/dx [d/dy (x^2 y^3) at y = x] = d/dx 3 x^4 = 12 x^3.
  const inner = (x: Tensor) =>
    core.grad((y: Tensor) => core.mul(core.mul(x, x), core.mul(y, core.mul(y, y))))(x);
  assertEquals(valueOf(core.grad(inner)(scalar(2))), [96]);
});

Deno.test("gradients nest: the fourth derivative of x^5 is 120 x", () => {
  const power = (x: Tensor) => [x, x, x, x].reduce((product) => core.mul(product, x), x);
  const fourth = core.grad(core.grad(core.grad(core.grad(power))));
  assertEquals(valueOf(fourth(scalar(3))), [360]);
});

Deno.test("a variable passed twice has two gradients", () => {
  const x = scalar(3);
  const [a, b] = core.grad(([a, b]: [Tensor, Tensor]) => core.mul(a, core.mul(a, b)))([x, x]);
  assertEquals([...valueOf(a), ...valueOf(b)], [18, 9]);
});

Deno.test("a parameter that is not used has a gradient of zeros in its own shape", () => {
  const parameters = { used: scalar(2), spare: core.input([2, 3]) };
  const { spare } = core.grad((p: typeof parameters) => core.exp(p.used))(parameters);
  assertEquals(evaluateGraph([spare], new Map()), [new Float32Array(6)]);
});

Deno.test("gradients have the structure of the parameters", () => {
  const parameters = { layers: [{ weight: scalar(2) }, { weight: scalar(5) }], bias: scalar(1) };
  const f = (p: typeof parameters) =>
    core.add(core.mul(p.layers[0].weight, p.layers[1].weight), core.mul(p.bias, 7));
  const gradients = core.grad(f)(parameters);
  const flat = core.leavesWithPaths(gradients, core.isTensor);
  assertEquals(
    flat.map(({ path, leaf }) => [path, ...valueOf(leaf)]),
    [["bias", 7], ["layers.0.weight", 5], ["layers.1.weight", 2]],
  );
});

Deno.test("the value and the auxiliary results are those of the function itself", () => {
  const f = (p: { x: Tensor }, factor: Tensor) => {
    const squared = core.mul(p.x, p.x);
    return { value: core.mul(squared, factor), auxiliary: { squared } };
  };
  const made = core.valueAndGradWith(f)({ x: scalar(3) }, scalar(10));
  assertEquals(valueOf(made.value), [90]);
  assertEquals(valueOf(made.auxiliary.squared), [9]);
  assertEquals(valueOf(made.gradients.x), [60]);
});

Deno.test("only an f32 scalar can be differentiated", () => {
  const x = core.input([3]);
  assertThrows(() => core.grad((p: Tensor) => core.mul(p, 2))(x), OutriderError, "f32 scalar");
  assertThrows(() => core.grad((p: Tensor) => core.sum(core.cast(p, "i32")))(x), OutriderError);
});

Deno.test("a cotangent must have the shape of the output", () => {
  const x = core.input([3]);
  assertThrows(() => core.pullback(core.exp(x), core.full([2], 1), [x]), OutriderError, "[3]");
});

Deno.test("the gradient of a tie goes to the first of two and is shared among many", () => {
  const tied = core.grad(([a, b]: [Tensor, Tensor]) => core.maximum(a, b))([scalar(2), scalar(2)]);
  assertEquals(tied.flatMap(valueOf), [1, 0]);
  const low = core.grad(([a, b]: [Tensor, Tensor]) => core.minimum(a, b))([scalar(2), scalar(2)]);
  assertEquals(low.flatMap(valueOf), [1, 0]);
  const peak = (x: Tensor) => core.sum(core.maxKeeping(x));
  const x = core.constant(Float32Array.of(4, 1, 4, 4, 4));
  assertEquals(valueOf(core.grad(peak)(x)), [0.25, 0, 0.25, 0.25, 0.25]);
});

Deno.test("no gradient flows through a branch that was not taken, however steep", () => {
  const guarded = (x: Tensor) => core.sum(core.where(core.less(x, 1), core.mul(x, 2), 0));
  assertEquals(valueOf(core.grad(guarded)(core.constant(Float32Array.of(0, 5)))), [2, 0]);
});
