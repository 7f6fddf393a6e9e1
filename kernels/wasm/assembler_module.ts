/**
 * Writes Wasm modules: types, imports, functions and exports around assembled code.
 *
 * @module
 */
import { type Code, flatten, nameBytes, unsignedLeb, type ValueType } from "./assembler_code.ts";

/** The byte that encodes each value type. */
export const VALUE_TYPE: { readonly [type in ValueType]: number } = {
  i32: 0x7f,
  f32: 0x7d,
  v128: 0x7b,
};

/** A function that the module imports; it takes `parameters` i32 values and returns nothing. */
export interface ImportedFunction {
  /** The module to import from. */
  readonly module: string;
  /** Its name there. */
  readonly name: string;
  /** Number of its parameters. */
  readonly parameters: number;
}

/** A function of the module; it takes `parameters` i32 values and returns nothing. */
export interface ModuleFunction {
  /** The name it is exported under. */
  readonly name: string;
  /** Number of its parameters. */
  readonly parameters: number;
  /** Types of the locals after the parameters. */
  readonly locals: readonly ValueType[];
  /** The body. */
  readonly code: Code;
}

/** Everything that a module is made of. Imported functions are numbered before own ones. */
export interface ModuleParts {
  /** True where the imported memory is shared among threads. */
  readonly memory: "shared" | "unshared";
  /** Functions to import. */
  readonly imports: readonly ImportedFunction[];
  /** Functions of its own, all exported. */
  readonly functions: readonly ModuleFunction[];
}

/** Most 64 KiB pages that a 32-bit memory can have. */
export const MAXIMUM_PAGES = 65536;
/**
 * Fewest pages of an imported memory. Where memory is known to be larger than the constant offset of
 * an access, the engine compares the pointer only, else the memory's size first.
 */
export const MINIMUM_PAGES = 16;

const SECTION = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;

/** A length in front of the bytes that it counts. */
function sized(code: Code): Code {
  const bytes = flatten(code);
  return [unsignedLeb(bytes.length), bytes];
}

/** A count in front of the items that it counts. */
function vector(items: readonly Code[]): Code {
  return [unsignedLeb(items.length), items];
}

function section(id: number, items: readonly Code[]): Code {
  return [id, sized(vector(items))];
}

function functionType(parameters: number): Code {
  return [0x60, vector(Array<Code>(parameters).fill(VALUE_TYPE.i32)), vector([])];
}

/** Runs of equal local types, as the format stores them. */
function localRuns(locals: readonly ValueType[]): Code {
  const runs: { type: ValueType; count: number }[] = [];
  for (const type of locals) {
    const last = runs.at(-1);
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  return vector(runs.map(({ type, count }) => [unsignedLeb(count), VALUE_TYPE[type]]));
}

/** The bytes of a module that imports its memory as "env" "memory" and exports its functions. */
export function moduleBytes(parts: ModuleParts): Uint8Array<ArrayBuffer> {
  const counts = [...new Set([...parts.imports, ...parts.functions].map((f) => f.parameters))];
  const typeOf = (f: { parameters: number }): Code => unsignedLeb(counts.indexOf(f.parameters));
  const limits: Code = parts.memory === "shared"
    ? [0x03, unsignedLeb(MINIMUM_PAGES), unsignedLeb(MAXIMUM_PAGES)]
    : [0x01, unsignedLeb(MINIMUM_PAGES), unsignedLeb(MAXIMUM_PAGES)];
  const memory: Code = [nameBytes("env"), nameBytes("memory"), 0x02, limits];
  return flatten([
    [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    section(SECTION.type, counts.map(functionType)),
    section(SECTION.import, [
      memory,
      ...parts.imports.map((f): Code => [nameBytes(f.module), nameBytes(f.name), 0x00, typeOf(f)]),
    ]),
    section(SECTION.function, parts.functions.map(typeOf)),
    section(
      SECTION.export,
      parts.functions.map((f, i): Code => [
        nameBytes(f.name),
        0x00,
        unsignedLeb(parts.imports.length + i),
      ]),
    ),
    section(
      SECTION.code,
      parts.functions.map((f) => sized([localRuns(f.locals), f.code, 0x0b])),
    ),
  ]);
}
