import { assertEquals } from "@std/assert";
import { BINARY, UNARY } from "../src/core/elementwise.ts";
import { ALLOWED, moduleOf, resolvePath } from "./architecture/modules.ts";
import { exportsMap, projectFiles, type SourceFile } from "./architecture/project.ts";
import { type Import, type Syntax, syntaxOf } from "./architecture/syntax.ts";

interface Module extends SourceFile, Syntax {}

const PACKAGE = "@outrider/outrider";
const files = await projectFiles();
const entries = await exportsMap();
const modules: readonly Module[] = files
  .filter(({ path }) => path.endsWith(".ts"))
  .map((file) => ({ ...file, ...syntaxOf(file) }));
const library = modules.filter(({ path }) => moduleOf(path) !== undefined);
const examples = modules.filter(({ path }) => path.startsWith("examples/"));

const isRelative = ({ specifier }: Import): boolean => specifier.startsWith(".");

/** Why a library file may not have one of its imports; undefined where it may. */
function objection(path: string, one: Import): string | undefined {
  const module = moduleOf(path) ?? "";
  const allowed = ALLOWED[module];
  if (allowed === undefined) return `${path} is in ${module}, which the table does not name`;
  const { specifier, typeOnly } = one;
  if (!isRelative(one)) {
    if (allowed.packages?.includes(specifier)) return undefined;
    return `${path} imports the package ${specifier}`;
  }
  const file = resolvePath(path, specifier);
  const other = moduleOf(file);
  if (other === module) return undefined;
  if (other === undefined) return `${path} imports ${file}, which is outside the library`;
  if (typeOnly && allowed.types?.includes(other)) return undefined;
  if (!allowed.modules.includes(other)) return `${path} imports ${file}`;
  if (allowed.files && !allowed.files.includes(file)) return `${path} imports ${file}`;
  return undefined;
}

Deno.test("library modules import in the one direction that the layout gives", () => {
  const objections = library.flatMap(({ path, imports }) =>
    imports.flatMap((one) => objection(path, one) ?? [])
  );
  assertEquals(objections, []);
});

Deno.test("no library module imports a backend", () => {
  const found = library.flatMap(({ path, imports }) =>
    imports.filter((one) => isRelative(one))
      .map(({ specifier }) => resolvePath(path, specifier))
      .filter((file) => file.startsWith("src/backends/") && moduleOf(file) !== moduleOf(path))
      .map((file) => `${path} imports ${file}`)
  );
  assertEquals(found, []);
});

/** Packages that an example needs and the library does not. */
const EXAMPLE_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "examples/common/draw_figures.ts": ["vega", "vega-lite"],
  "examples/page/build/bundle.ts": ["esbuild-wasm/esm/browser.js"],
};

Deno.test("examples import from the exports map and from one another only", () => {
  const allowed = new Set([...entries.keys()].map((entry) => PACKAGE + entry.slice(1)));
  const found = examples.flatMap(({ path, imports }) =>
    imports.filter((one) =>
      isRelative(one)
        ? !resolvePath(path, one.specifier).startsWith("examples/")
        : !allowed.has(one.specifier) && !EXAMPLE_PACKAGES[path]?.includes(one.specifier)
    ).map(({ specifier }) => `${path} imports ${specifier}`)
  );
  assertEquals(found, []);
});

/** The first cycle of imports that a file is on, as a list of files; undefined where none. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const finished = new Set<string>();
  const visit = (path: string, above: readonly string[]): readonly string[] | undefined => {
    if (above.includes(path)) return [...above.slice(above.indexOf(path)), path];
    if (finished.has(path)) return undefined;
    for (const next of graph.get(path) ?? []) {
      const cycle = visit(next, [...above, path]);
      if (cycle) return cycle;
    }
    finished.add(path);
    return undefined;
  };
  for (const path of graph.keys()) {
    const cycle = visit(path, []);
    if (cycle) return cycle;
  }
  return undefined;
}

Deno.test("no file imports itself through others, types included", () => {
  const graph = new Map(modules.map(({ path, imports }) => [
    path,
    imports.filter(isRelative).map(({ specifier }) => resolvePath(path, specifier)),
  ]));
  assertEquals(findCycle(graph), undefined);
  const loop = new Map([["a", ["b"]], ["b", ["c", "d"]], ["c", []], ["d", ["b"]]]);
  assertEquals(findCycle(loop), ["b", "d", "b"]);
});

Deno.test("files stay short: 300 lines, tests 400", () => {
  const long = modules
    .map(({ path, text }) => ({ path, lines: text.trimEnd().split("\n").length }))
    .filter(({ path, lines }) => lines > (path.startsWith("tests/") ? 400 : 300))
    .map(({ path, lines }) => `${path} has ${lines} lines`);
  assertEquals(long, []);
});

Deno.test("every table over the op set has one row for every operation", () => {
  const operations = [
    ...Object.keys(UNARY),
    ...Object.keys(BINARY),
    ...modules.flatMap(({ path, operations }) => path === "src/core/tensor.ts" ? operations : []),
  ].sort();
  const tables = library.flatMap(({ tables }) => tables);
  assertEquals(
    tables.map(({ name }) => name).sort(),
    ["EVALUATE", "INFER", "LOWER", "PULLBACK"],
  );
  for (const { name, rows } of tables) {
    assertEquals([name, ...rows.toSorted()], [name, ...operations]);
  }
});

Deno.test("nothing gets past the type checker, and no module has state that changes", () => {
  assertEquals(modules.flatMap(({ forbidden }) => forbidden), []);
});

Deno.test("the forms that are forbidden are seen where they are", () => {
  const text = [
    "export let a: any = 1;",
    "let b = 2;",
    "export const c = a as unknown as string;",
    "export const d = c!;",
  ].join("\n");
  const { forbidden } = syntaxOf({ path: "src/x.ts", text });
  assertEquals(forbidden.toSorted(), [
    "src/x.ts:1 has module state that changes",
    "src/x.ts:1 has the type any",
    "src/x.ts:2 has module state that changes",
    "src/x.ts:3 has a cast through another type",
    "src/x.ts:4 has a non-null assertion",
  ]);
});

Deno.test("every module has an entry in the exports map, and every entry a file", () => {
  const names = Object.keys(ALLOWED).filter((name) => /^(?!kernels|mod)/.test(name));
  const expected = names.map((name) => [`./${name}`, `./src/${name}/mod.ts`]);
  assertEquals(
    [...entries].sort(),
    [[".", "./mod.ts"], ...expected].sort(),
  );
  const paths = new Set(modules.map(({ path }) => `./${path}`));
  assertEquals([...entries.values()].filter((file) => !paths.has(file)), []);
});

Deno.test("no file names a machine's folders or a package registry's host", () => {
  const folders = ["work", "root", "tmp"].map((name) => `/${name}/`);
  const hosts = ["registry.npmjs", "pypi", "files.pythonhosted"].map((name) => `${name}.org`);
  const words = [...folders, ...hosts, "npm.jsr" + ".io"];
  const found = files.flatMap(({ path, text }) =>
    words.filter((word) => text.includes(word)).map((word) => `${path} names ${word}`)
  );
  assertEquals(found, []);
});
