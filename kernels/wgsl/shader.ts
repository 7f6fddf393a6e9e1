/**
 * What a WGSL generator gives back, and how parts become one shader.
 *
 * @module
 */
import type { DType } from "../../src/core/dtype.ts";
import { OutriderError } from "../../src/core/errors.ts";
import type { BindingSpec } from "./dispatch.ts";
import { bindingDeclarations, boundPieces } from "./pieces.ts";

/** What the adapter offers; it decides the code. */
export interface GpuFeatures {
  /** Arithmetic and storage of 16-bit floats (`enable f16`). */
  readonly halfFloats: "present" | "absent";
  /** Bytes of workgroup memory. */
  readonly workgroupBytes: number;
  /** Most invocations of a workgroup. */
  readonly mostLanes: number;
}

/** How a value of a computed type is held in WGSL. */
export function heldType(type: DType): "f32" | "i32" {
  return type === "f32" ? "f32" : "i32";
}

/** An argument of a part as its generator reads it. */
export interface Operand {
  /** The element type; `bool` is 0 or 1 in memory. */
  readonly type: DType;
  /** The WGSL expression of the element at a `u32` expression: f32, or i32 (bool too). */
  at(index: string): string;
  /** The bound array, for generators that read words of their own layout (packed weights, halves). */
  readonly words?: Words;
  /**
   * Statements by which a group writes `count` elements of every new row, from the `u32` expression
   * `first` on, where the part writes the table that it reads; a storage barrier has to follow.
   */
  writeNewRows?(first: string, count: number): string;
}

/** A bound array of 32-bit words. */
export interface Words {
  /** The word at a `u32` expression as u32. */
  u32(index: string): string;
  /** The same bits as f32. */
  f32(index: string): string;
}

/** The words of an operand that is never computed on the way. */
export function boundWords({ words }: Operand): Words {
  if (words !== undefined) return words;
  throw new OutriderError("an operand in memory", "a computed one", "bind it");
}

/** Where a part's result goes. */
export interface Result extends Operand {
  /** The statement that stores a value (of the element type's WGSL type) at a `u32` expression. */
  store(index: string, value: string): string;
}

/** What a generator is given besides its spec. */
export interface PartFrame {
  /** What names at module scope begin with, so that parts do not collide. */
  readonly prefix: string;
  readonly features: GpuFeatures;
  /** The arguments without the last one, in the spec's order. */
  readonly inputs: readonly Operand[];
  readonly result: Result;
}

/**
 * The code of a part. Groups share no accumulation, so that the bits of a result do not depend on
 * how many there are.
 */
export interface ShaderPart {
  /** Invocations per group. */
  readonly lanes: number;
  /** Number of groups; 0 where there is nothing to do. */
  readonly groups: number;
  /** Declarations at module scope: workgroup variables and functions, named with the prefix. */
  readonly declarations: string;
  /** Statements; `group` (u32, below `groups`, the same for all lanes) and `lane` (u32) are in scope. */
  readonly body: string;
}

/** A shader: entry point "main", all bindings in group 0. */
export interface Shader {
  readonly code: string;
  /** One for each piece of memory. */
  readonly bindings: readonly BindingSpec[];
  /** Groups to dispatch, as x + y * (number in x): any x and y that cover them will do. */
  readonly groups: number;
}

/** Lanes of a group unless a kernel has reasons. */
export const LANES = 64;

/** The part of a kernel that has no element to compute. */
export const NOTHING: ShaderPart = { lanes: LANES, groups: 0, declarations: "", body: "" };

function partFunction({ body }: ShaderPart, prefix: string): string {
  return `fn ${prefix}run(group: u32, lane: u32) {\n${body}\n}`;
}

/** The name prefix of the part at a place. */
export function partPrefix(place: number): string {
  return `p${place}_`;
}

/** Joins parts of equal lanes into a shader that hands each of them its groups in turn. */
export function joinParts(
  parts: readonly ShaderPart[],
  bindings: readonly BindingSpec[],
  shared: string,
): Shader {
  let from = 0;
  const calls = parts.map(({ groups }, i) => {
    const first = from;
    from += groups;
    const call = `${partPrefix(i)}run(place - ${first}u, lane);`;
    return `if (place >= ${first}u && place < ${from}u) { ${call} }`;
  });
  const lanes = parts[0]?.lanes ?? LANES;
  const main = `@compute @workgroup_size(${lanes})
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) count: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let place = id.x + id.y * count.x;
  ${calls.join("\n  ")}
}`;
  const functions = parts.flatMap((part, i) => [
    part.declarations,
    partFunction(part, partPrefix(i)),
  ]);
  return {
    code: [shared, ...bindingDeclarations(bindings), ...functions, main].join("\n"),
    bindings: boundPieces(bindings),
    groups: from,
  };
}
