/**
 * What the architecture tests read from a file's syntax tree: its imports, the forms that the
 * project does without, and its tables over the op set.
 *
 * @module
 */
import type { SourceFile } from "./project.ts";

/** One import, re-export or dynamic import. */
export interface Import {
  readonly specifier: string;
  /** Whether it vanishes when types are erased. */
  readonly typeOnly: boolean;
}

/** A table over the op set, and the operations it has rows for. */
export interface TableRows {
  readonly name: string;
  readonly rows: readonly string[];
}

/** What a file's syntax tree tells. */
export interface Syntax {
  readonly imports: readonly Import[];
  /** One line for each forbidden form. */
  readonly forbidden: readonly string[];
  readonly tables: readonly TableRows[];
  /** Members of the interface that is the op set, where this file declares it. */
  readonly operations: readonly string[];
}

function memberName(key: Deno.lint.Node): string {
  if (key.type === "Identifier") return key.name;
  return key.type === "Literal" ? String(key.value) : "";
}

function tableOf(node: Deno.lint.VariableDeclarator): TableRows | undefined {
  const { id, init } = node;
  if (id.type !== "Identifier" || init?.type !== "ObjectExpression") return undefined;
  const type = id.typeAnnotation?.typeAnnotation;
  if (type?.type !== "TSTypeReference" || type.typeName.type !== "Identifier") return undefined;
  if (type.typeName.name !== "OpTable") return undefined;
  const rows = init.properties.map((row) =>
    row.type === "Property" ? memberName(row.key) : "a spread"
  );
  return { name: id.name, rows };
}

function erased(
  declared: string,
  specifiers: readonly { type: string; importKind?: string; exportKind?: string }[],
): boolean {
  if (declared === "type") return true;
  return specifiers.length > 0 &&
    specifiers.every(({ importKind, exportKind }) => (importKind ?? exportKind) === "type");
}

/** Reads a file's syntax tree. */
export function syntaxOf({ path, text }: SourceFile): Syntax {
  const imports: Import[] = [];
  const forbidden: string[] = [];
  const tables: TableRows[] = [];
  const operations: string[] = [];
  const forbid = (node: Deno.lint.Node, what: string): void => {
    const line = text.slice(0, node.range[0]).split("\n").length;
    forbidden.push(`${path}:${line} has ${what}`);
  };
  const visitor: Deno.lint.LintVisitor = {
    ImportDeclaration: ({ source, importKind, specifiers }) => {
      imports.push({ specifier: source.value, typeOnly: erased(importKind, specifiers) });
    },
    ExportAllDeclaration: ({ source, exportKind }) => {
      imports.push({ specifier: source.value, typeOnly: exportKind === "type" });
    },
    ExportNamedDeclaration: ({ source, exportKind, specifiers }) => {
      if (source === null) return;
      imports.push({ specifier: source.value, typeOnly: erased(exportKind, specifiers) });
    },
    ImportExpression: ({ source }) => {
      if (source.type === "Literal") {
        imports.push({ specifier: String(source.value), typeOnly: false });
      }
    },
    TSAnyKeyword: (node) => forbid(node, "the type any"),
    TSNonNullExpression: (node) => forbid(node, "a non-null assertion"),
    "TSAsExpression > TSAsExpression": (node: Deno.lint.TSAsExpression) =>
      forbid(node, "a cast through another type"),
    "Program > VariableDeclaration:not([kind='const'])": (node: Deno.lint.Node) =>
      forbid(node, "module state that changes"),
    "ExportNamedDeclaration > VariableDeclaration:not([kind='const'])": (node: Deno.lint.Node) =>
      forbid(node, "module state that changes"),
    VariableDeclarator: (node) => {
      const table = tableOf(node);
      if (table) tables.push(table);
    },
    TSInterfaceDeclaration: ({ id, body }) => {
      if (id.type !== "Identifier" || id.name !== "Attributes") return;
      for (const member of body.body) {
        if (member.type === "TSPropertySignature") operations.push(memberName(member.key));
      }
    },
  };
  const plugin: Deno.lint.Plugin = {
    name: "architecture",
    rules: { read: { create: () => visitor } },
  };
  Deno.lint.runPlugin(plugin, path.split("/").at(-1) ?? path, text);
  for (const word of ["@ts-" + "ignore", "@ts-" + "nocheck", "@ts-" + "expect-error"]) {
    if (text.includes(word)) forbidden.push(`${path} has ${word}`);
  }
  return { imports, forbidden, tables, operations };
}
