/**
 * Workgroup memory of generated code.
 *
 * @module
 */
import type { ShaderPart } from "./shader.ts";

const WORD_BYTES = 4;
/** Words of the types that kernels keep in workgroup memory; three are laid out as four. */
const WORDS: Readonly<Record<string, number>> = { vec2: 2, vec3: 4, vec4: 4 };

function bytesOfType(type: string): number {
  const array = /^array<\s*(.+?)\s*,\s*(\d+)u?\s*>$/.exec(type);
  if (array !== null) return bytesOfType(array[1]) * Number(array[2]);
  return WORD_BYTES * (WORDS[type.split("<")[0]] ?? 1);
}

/** Bytes of workgroup memory that a part declares. */
export function workgroupBytes({ declarations }: Pick<ShaderPart, "declarations">): number {
  const types = [...declarations.matchAll(/var<workgroup>\s*\w+\s*:\s*([^;]+);/g)];
  return types.reduce((sum, [, type]) => sum + bytesOfType(type.trim()), 0);
}
