import { assertEquals, assertThrows } from "@std/assert";
import {
  leavesOf,
  leavesWithPaths,
  mapTree,
  OutriderError,
  withLeaves,
} from "../../src/core/mod.ts";

const isNumber = (value: unknown): value is number => typeof value === "number";
const tree = { b: [1, { z: 2, a: 3 }], a: 4, label: "kept", none: null };

Deno.test("leaves come in the order of sorted names and of positions", () => {
  assertEquals(leavesWithPaths(tree, isNumber), [
    { path: "a", leaf: 4 },
    { path: "b.0", leaf: 1 },
    { path: "b.1.a", leaf: 3 },
    { path: "b.1.z", leaf: 2 },
  ]);
});

Deno.test("the order of leaves does not depend on the order in which a record was built", () => {
  const rebuilt = { none: null, label: "kept", a: 4, b: [1, { a: 3, z: 2 }] };
  assertEquals(leavesOf(rebuilt, isNumber), leavesOf(tree, isNumber));
});

Deno.test("more than ten positions stay in numeric order", () => {
  const many = Array.from({ length: 12 }, (_, i) => i);
  assertEquals(leavesOf(many, isNumber), many);
});

Deno.test("mapping keeps structure, other values and the order of names", () => {
  const mapped = mapTree(tree, isNumber, (x: number) => `${x}`);
  assertEquals(mapped, { b: ["1", { z: "2", a: "3" }], a: "4", label: "kept", none: null });
  assertEquals(Object.keys(mapped), ["b", "a", "label", "none"]);
});

Deno.test("a mapped tree's type follows from the tree's type", () => {
  const { a, b } = mapTree({ a: 1, b: [2, 3] as const }, isNumber, (x: number) => x > 1);
  const flags: boolean[] = [a, ...b];
  assertEquals(flags, [false, true, true]);
});

Deno.test("putting back the leaves gives the tree, and a wrong count is refused", () => {
  assertEquals(withLeaves(tree, isNumber, leavesOf(tree, isNumber)), tree);
  assertThrows(() => withLeaves(tree, isNumber, [1, 2]), OutriderError, "4 leaves");
  assertThrows(() => withLeaves(tree, isNumber, [1, 2, 3, 4, 5]), OutriderError, "found 5");
});

Deno.test("a leaf alone is a tree with an empty path", () => {
  assertEquals(leavesWithPaths(5, isNumber), [{ path: "", leaf: 5 }]);
  assertEquals(mapTree(5, isNumber, (x: number) => x + 1), 6);
});

Deno.test("names such as __proto__ are names like any other", () => {
  const odd: unknown = JSON.parse('{"__proto__": 1, "constructor": 2}');
  const mapped = mapTree(odd, isNumber, (x: number) => x * 10);
  assertEquals(JSON.stringify(mapped), '{"__proto__":10,"constructor":20}');
});
