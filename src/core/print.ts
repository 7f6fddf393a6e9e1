/**
 * Graphs as text, for people and for snapshot tests.
 *
 * @module
 */
import { shapeText } from "./shape.ts";
import { type Tensor, topologicalOrder } from "./tensor.ts";

function attributesText(attributes: object): string {
  const shown = Object.entries(attributes).map(([name, value]) => {
    if (ArrayBuffer.isView(value)) return `${name}=<${value.byteLength} bytes>`;
    // JSON has no name for infinities, NaN and -0.
    if (Object.is(value, -0)) return `${name}=-0`;
    return `${name}=${typeof value === "number" ? value : JSON.stringify(value)}`;
  });
  return shown.length === 0 ? "" : ` {${shown.join(" ")}}`;
}

/**
 * One line per node, operands first: `%2 = add(%0, %1) : f32[2, 3]`; the last line names the roots.
 *
 * @example
 * ```ts
 * import { add, input, printGraph } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const x = input([2], "f32", "x");
 * assertEquals(
 *   printGraph([add(x, x)]),
 *   '%0 = input() {label="x"} : f32[2]\n%1 = add(%0, %0) : f32[2]\nreturn %1',
 * );
 * ```
 */
export function printGraph(roots: readonly Tensor[]): string {
  const order = topologicalOrder(roots);
  const names = new Map(order.map((tensor, i) => [tensor, `%${i}`]));
  const list = (tensors: readonly Tensor[]) => tensors.map((t) => names.get(t)).join(", ");
  const lines = order.map((t) =>
    `${names.get(t)} = ${t.op.name}(${list(t.inputs)})${attributesText(t.op.attributes)} : ` +
    `${t.type}${shapeText(t.shape)}`
  );
  return [...lines, `return ${list(roots)}`].join("\n");
}
