/**
 * A plan: what a graph becomes before a backend sees it.
 *
 * It is a list of kernel commands over numbered buffers, with the temporaries already laid out in
 * slots by liveness. It holds no device state and prints as text.
 *
 * @module
 */
import type { ElementType, HostArray } from "../core/dtype.ts";
import type { Tensor } from "../core/tensor.ts";
import type { KernelSpec } from "./kernel_spec.ts";

/** Where a buffer of a plan lives. */
export type BufferHome =
  /** The caller's input number `index`. */
  | { readonly home: "input"; readonly index: number }
  /** The output number `index`, allocated by the runtime or (donation) an input's memory. */
  | { readonly home: "output"; readonly index: number }
  /**
   * A temporary: part of slot number `index`, shared with others that are dead by then; of so many
   * bytes, or as many as the slot.
   */
  | { readonly home: "slot"; readonly index: number; readonly bytes?: number }
  /** A constant array that the backend uploads once, when it prepares the plan. */
  | { readonly home: "constant"; readonly data: HostArray };

/** One command: a kernel and the buffers bound to its arguments, in the spec's order. */
export interface Command {
  /** The kernel. */
  readonly spec: KernelSpec;
  /** Indices into {@link Plan.buffers}. */
  readonly args: readonly number[];
}

/** What a caller must know about one input or output. */
export interface PortSpec {
  /** Sizes of its axes. */
  readonly shape: readonly number[];
  /** Element type. */
  readonly type: ElementType;
  /** Bytes that it takes. */
  readonly bytes: number;
}

/** A compiled graph, still independent of any device. */
export interface Plan {
  /** The graph's input nodes in calling order (the reference backend evaluates the graph itself). */
  readonly inputs: readonly Tensor[];
  /** The graph's results. */
  readonly outputs: readonly Tensor[];
  /** Shape, type and bytes of each input. */
  readonly inputPorts: readonly PortSpec[];
  /** Shape, type and bytes of each output. */
  readonly outputPorts: readonly PortSpec[];
  /** For each output: the donated input whose memory it takes over, or -1. */
  readonly donations: readonly number[];
  /** Where each numbered buffer lives. */
  readonly buffers: readonly BufferHome[];
  /** Bytes of each temporary slot. */
  readonly slots: readonly number[];
  /** The kernels to run, in order. */
  readonly commands: readonly Command[];
  /** Structural hash: equal for graphs that are equal but for the identity of their nodes. */
  readonly hash: string;
}
