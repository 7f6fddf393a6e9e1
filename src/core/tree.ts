/**
 * Trees: nested arrays and records of leaves, which functions on parameters take and give.
 *
 * @module
 */
import { OutriderError } from "./errors.ts";

/** Nested arrays and records whose leaves are of type `Leaf`. */
export type Tree<Leaf> = Leaf | readonly Tree<Leaf>[] | { readonly [name: string]: Tree<Leaf> };

/** The tree type `T` with its leaves `From` replaced by `To`; other values stay. */
export type MapLeaves<T, From, To> = T extends From ? To
  : T extends readonly unknown[] ? { readonly [K in keyof T]: MapLeaves<T[K], From, To> }
  : T extends object ? { readonly [K in keyof T]: MapLeaves<T[K], From, To> }
  : T;

/** Tells leaves from inner nodes. */
export type IsLeaf<Leaf> = (value: unknown) => value is Leaf;

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** A leaf and the path that leads to it, such as `layers.0.query`. */
export interface LeafAt<Leaf> {
  /** Keys and indices from the root, joined by dots. */
  readonly path: string;
  /** The leaf. */
  readonly leaf: Leaf;
}

function visit<Leaf>(
  tree: unknown,
  isLeaf: IsLeaf<Leaf>,
  path: string,
  found: LeafAt<Leaf>[],
): void {
  if (isLeaf(tree)) found.push({ path, leaf: tree });
  else if (isRecord(tree)) {
    const keys = Array.isArray(tree) ? Object.keys(tree) : Object.keys(tree).sort();
    for (const key of keys) visit(tree[key], isLeaf, path === "" ? key : `${path}.${key}`, found);
  }
}

/**
 * The leaves with their paths; records are walked in the order of their sorted names.
 *
 * @example
 * ```ts
 * import { leavesWithPaths } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const isNumber = (value: unknown): value is number => typeof value === "number";
 * const paths = leavesWithPaths({ b: [1, 2], a: 3 }, isNumber).map(({ path }) => path);
 * assertEquals(paths, ["a", "b.0", "b.1"]);
 * ```
 */
export function leavesWithPaths<Leaf>(tree: unknown, isLeaf: IsLeaf<Leaf>): LeafAt<Leaf>[] {
  const found: LeafAt<Leaf>[] = [];
  visit(tree, isLeaf, "", found);
  return found;
}

/**
 * The leaves in the order of {@link leavesWithPaths}.
 *
 * @example
 * ```ts
 * import { leavesOf } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const isNumber = (value: unknown): value is number => typeof value === "number";
 * assertEquals(leavesOf({ b: [1, 2], a: 3 }, isNumber), [3, 1, 2]);
 * ```
 */
export function leavesOf<Leaf>(tree: unknown, isLeaf: IsLeaf<Leaf>): Leaf[] {
  return leavesWithPaths(tree, isLeaf).map(({ leaf }) => leaf);
}

function rebuild<Leaf, To>(
  tree: unknown,
  isLeaf: IsLeaf<Leaf>,
  replace: (leaf: Leaf) => To,
): unknown {
  if (isLeaf(tree)) return replace(tree);
  if (Array.isArray(tree)) return tree.map((branch) => rebuild(branch, isLeaf, replace));
  if (!isRecord(tree)) return tree;
  const made = new Map<string, unknown>();
  for (const key of Object.keys(tree).sort()) made.set(key, rebuild(tree[key], isLeaf, replace));
  return Object.fromEntries(Object.keys(tree).map((key) => [key, made.get(key)]));
}

/**
 * The same tree with every leaf replaced, visited in the order of {@link leavesOf}.
 *
 * The result's type follows from the tree's type by {@link MapLeaves}; a recursive walk cannot
 * show that to the compiler, so this function states it in one overload.
 *
 * @example
 * ```ts
 * import { mapTree } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const isNumber = (value: unknown): value is number => typeof value === "number";
 * const doubled = mapTree({ b: [1, 2], a: 3 }, isNumber, (leaf) => 2 * leaf);
 * assertEquals(doubled, { b: [2, 4], a: 6 });
 * ```
 */
export function mapTree<T, Leaf, To>(
  tree: T,
  isLeaf: IsLeaf<Leaf>,
  replace: (leaf: Leaf) => To,
): MapLeaves<T, Leaf, To>;
export function mapTree<Leaf, To>(
  tree: unknown,
  isLeaf: IsLeaf<Leaf>,
  replace: (leaf: Leaf) => To,
): unknown {
  return rebuild(tree, isLeaf, replace);
}

/**
 * The tree with its leaves replaced, in order, by those of a list.
 *
 * @throws OutriderError where the counts differ
 * @example
 * ```ts
 * import { withLeaves } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const isNumber = (value: unknown): value is number => typeof value === "number";
 * assertEquals(withLeaves({ b: [1], a: 3 }, isNumber, ["x", "y"]), { b: ["y"], a: "x" });
 * ```
 */
export function withLeaves<T, Leaf, To>(
  tree: T,
  isLeaf: IsLeaf<Leaf>,
  leaves: readonly To[],
): MapLeaves<T, Leaf, To> {
  const count = leavesOf(tree, isLeaf).length;
  if (count !== leaves.length) {
    throw new OutriderError(`${count} leaves`, `${leaves.length}`, "pass trees of one structure");
  }
  let next = 0;
  return mapTree(tree, isLeaf, () => leaves[next++]);
}
