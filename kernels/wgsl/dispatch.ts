/**
 * Dispatches: what one WebGPU shader computes, as plain data.
 *
 * A dispatch has one part or several that do not depend on each other, each a kernel of the plan.
 * An operand of a part is bound memory, a map computed where it is read, a reduction that every group
 * repeats, or a table that is written first; its result goes to memory, or through a map first. The
 * text of a dispatch is the cache key of its pipeline.
 *
 * @module
 */
import type {
  AttentionSpec,
  KernelSpec,
  MapSpec,
  ReduceSpec,
  ScatterSpec,
} from "../../src/plan/kernel_spec.ts";

/** How the words of a binding are declared; `u32` where arguments of several types share it. */
export type WordType = "f32" | "i32" | "u32";

/** How memory that is larger than a binding is bound: in pieces, each a binding of its own. */
export interface Pieces {
  readonly count: number;
  /** 32-bit words of each piece but the last, which has what is left. */
  readonly words: number;
}

/** One array that a shader binds: `@group(0) @binding(place in the list)`, counting all pieces. */
export interface BindingSpec {
  /** Whether any part writes it. */
  readonly access: "read" | "read_write";
  /** How it is declared. */
  readonly type: WordType;
  /** Where one binding is not enough. */
  readonly pieces?: Pieces;
}

/** Where a part reads an argument. */
export type OperandSpec =
  | { readonly from: "binding"; readonly binding: number }
  /** Element i is the map's output at its place i, computed on the way. */
  | {
    readonly from: "map";
    readonly map: MapSpec;
    readonly operands: readonly OperandSpec[];
  }
  /** The `count` elements of a reduction's result: every group finds them all before it begins. */
  | {
    readonly from: "reduction";
    readonly reduce: ReduceSpec;
    readonly operands: readonly OperandSpec[];
    readonly after?: MapBehind;
    readonly count: number;
  }
  /** The table of a scatter behind it: each group first writes what it will read of the new rows. */
  | {
    readonly from: "scatter";
    readonly scatter: ScatterSpec;
    /** Indices and updates. */
    readonly operands: readonly OperandSpec[];
    readonly binding: number;
  };

/** Element i of a result goes through the map as its input number `input`, where the map reads it. */
export interface MapBehind {
  readonly map: MapSpec;
  readonly input: number;
  /** The map's inputs; what stands at `input` is not read. */
  readonly operands: readonly OperandSpec[];
}

/** Where a part's result goes. */
export type ResultSpec =
  | { readonly to: "binding"; readonly binding: number }
  | MapBehind & { readonly to: "map"; readonly binding: number };

/**
 * What the gradients of one attention share, so that no group finds it again: of every row and head
 * the largest score, 1 / sum of e^(score - largest), and sum_j P_j dP_j. Shaders of `attentionGrad`
 * read it behind dOut. Arguments: attention's inputs, dOut, output [rows, heads, 3].
 */
export interface AttentionStatisticsSpec extends Omit<AttentionSpec, "family"> {
  /** Names the kind of kernel. */
  readonly family: "attentionStatistics";
}

/** Every kernel that there are shaders for: those of plans, and those that shaders need besides. */
export type GpuKernelSpec = KernelSpec | AttentionStatisticsSpec;

/** One kernel of a dispatch. */
export interface PartSpec {
  readonly kernel: GpuKernelSpec;
  /** The kernel's arguments without the last one, in the spec's order. */
  readonly operands: readonly OperandSpec[];
  /** The kernel's last argument. */
  readonly result: ResultSpec;
}

/** All that a shader is generated from, besides the features of the adapter. */
export interface DispatchSpec {
  readonly bindings: readonly BindingSpec[];
  readonly parts: readonly PartSpec[];
}
