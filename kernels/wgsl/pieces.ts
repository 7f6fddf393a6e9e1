/**
 * Memory that is larger than what an adapter binds at once: it is bound in pieces one after another,
 * and an element is read and written in the piece where it lies.
 *
 * @module
 */
import type { BindingSpec } from "./dispatch.ts";
import { upTo } from "./matmul_order.ts";

/** The bindings of a shader as the adapter sees them: one for each piece. */
export function boundPieces(bindings: readonly BindingSpec[]): BindingSpec[] {
  return bindings.flatMap(({ pieces, ...whole }) => upTo(pieces?.count ?? 1).map(() => whole));
}

/** The number of the first piece of a binding. */
function firstPiece(bindings: readonly BindingSpec[], binding: number): number {
  return boundPieces(bindings.slice(0, binding)).length;
}

/** The WGSL expression of a binding's word at a `u32` expression. */
export function wordAt(bindings: readonly BindingSpec[], binding: number, index: string): string {
  const name = `b${firstPiece(bindings, binding)}`;
  return bindings[binding].pieces === undefined ? `${name}[${index}]` : `${name}_at(${index})`;
}

/** The statement that stores a word of a binding. */
export function storeWord(
  bindings: readonly BindingSpec[],
  binding: number,
  index: string,
  value: string,
): string {
  const name = `b${firstPiece(bindings, binding)}`;
  return bindings[binding].pieces === undefined
    ? `${name}[${index}] = ${value};`
    : `${name}_store(${index}, ${value});`;
}

/** The functions through which the words of a binding in pieces are read and written. */
function pieceFunctions({ access, type, pieces }: BindingSpec, first: number): string[] {
  if (pieces === undefined) return [];
  const { count, words } = pieces;
  const each = (statement: (word: string) => string): string[] =>
    upTo(count).map((piece) => {
      const found = statement(`b${first + piece}[i - ${piece * words}u]`);
      return piece === count - 1 ? found : `if (i < ${(piece + 1) * words}u) { ${found} }`;
    });
  const read = [
    `fn b${first}_at(i: u32) -> ${type} {`,
    ...each((word) => `return ${word};`),
    "}",
  ];
  if (access === "read") return read;
  return [
    ...read,
    `fn b${first}_store(i: u32, value: ${type}) {`,
    ...each((word) => `${word} = value; return;`),
    "}",
  ];
}

/** The declarations of a shader's bindings: `@group(0) @binding(place in the list of pieces)`. */
export function bindingDeclarations(bindings: readonly BindingSpec[]): string[] {
  const declared = boundPieces(bindings).map(({ access, type }, place) =>
    `@group(0) @binding(${place}) var<storage, ${access}> b${place}: array<${type}>;`
  );
  const functions = bindings.flatMap((one, k) => pieceFunctions(one, firstPiece(bindings, k)));
  return [...declared, ...functions];
}
