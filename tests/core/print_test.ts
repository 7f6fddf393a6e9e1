import { assertEquals } from "@std/assert";
import * as core from "../../src/core/mod.ts";
import type { Tensor } from "../../src/core/mod.ts";

Deno.test("a graph prints as its nodes in order, each once", () => {
  const x = core.input([2, 3], "f32", "x");
  const weight = core.input([4, 3], "packed_f16", "weight");
  const hidden = core.linear(x, weight);
  assertEquals(
    core.printGraph([core.softmax(hidden), core.argmax(hidden)]),
    `%0 = input() {label="x"} : f32[2, 3]
%1 = input() {label="weight"} : packed_f16[4, 3]
%2 = dequantize(%1) : f32[4, 3]
%3 = permute(%2) {order=[1,0]} : f32[3, 4]
%4 = matmul(%0, %3) : f32[2, 4]
%5 = reduceMax(%4) {axes=[1]} : f32[2, 1]
%6 = stopGradient(%5) : f32[2, 1]
%7 = broadcast(%6) {shape=[2,4]} : f32[2, 4]
%8 = sub(%4, %7) : f32[2, 4]
%9 = exp(%8) : f32[2, 4]
%10 = sum(%9) {axes=[1]} : f32[2, 1]
%11 = broadcast(%10) {shape=[2,4]} : f32[2, 4]
%12 = div(%9, %11) : f32[2, 4]
%13 = argmax(%4) {axis=1} : i32[2, 1]
%14 = reshape(%13) {shape=[2]} : i32[2]
return %12, %14`,
  );
});

Deno.test("the gradient of a square prints as a graph of its own", () => {
  const x = core.input([3], "f32", "x");
  const gradient = core.grad((p: Tensor) => core.sum(core.mul(p, p)))(x);
  assertEquals(
    core.printGraph([gradient]),
    `%0 = full() {value=1} : f32[]
%1 = reshape(%0) {shape=[1]} : f32[1]
%2 = broadcast(%1) {shape=[3]} : f32[3]
%3 = input() {label="x"} : f32[3]
%4 = identity(%3) : f32[3]
%5 = mul(%2, %4) : f32[3]
%6 = mul(%2, %4) : f32[3]
%7 = add(%5, %6) : f32[3]
return %7`,
  );
});

Deno.test("constants print by size, and numbers that JSON lacks by name", () => {
  const masked = core.add(core.constant(Float32Array.of(1, 2, 3)), core.full([3], -Infinity));
  assertEquals(
    core.printGraph([masked]),
    `%0 = data() {data=<12 bytes>} : f32[3]
%1 = full() {value=-Infinity} : f32[3]
%2 = add(%0, %1) : f32[3]
return %2`,
  );
});

Deno.test("a long chain prints and differentiates without running out of stack", () => {
  const x = core.input([1], "f32", "x");
  let chain = x;
  for (let i = 0; i < 20000; i++) chain = core.add(chain, 1);
  assertEquals(core.topologicalOrder([chain]).length > 20000, true);
  const gradient = core.grad((p: Tensor) => {
    let y = p;
    for (let i = 0; i < 20000; i++) y = core.mul(y, y);
    return core.sum(y);
  })(x);
  assertEquals(gradient.shape, [1]);
});
