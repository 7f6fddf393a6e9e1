/**
 * Functions that generated shaders may call by name; a shader declares those that it calls.
 *
 * @module
 */
import { MATH_FUNCTIONS } from "./math.ts";
import { NUMBER_FUNCTIONS } from "./numbers.ts";

const LIBRARY: ReadonlyMap<string, string> = new Map(
  Object.entries({ ...NUMBER_FUNCTIONS, ...MATH_FUNCTIONS }),
);

function namesIn(code: string): string[] {
  return [...new Set(code.match(/\b[a-z]\w*/g))].filter((name) => LIBRARY.has(name));
}

/** The declarations that some code needs, each once. */
export function libraryFor(code: string): string {
  const found = new Set<string>();
  const add = (name: string): void => {
    if (found.has(name)) return;
    found.add(name);
    namesIn(LIBRARY.get(name) ?? "").forEach(add);
  };
  namesIn(code).forEach(add);
  return [...LIBRARY].flatMap(([name, text]) => found.has(name) ? [text] : []).join("\n");
}
