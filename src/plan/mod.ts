/**
 * Plans: from a graph to kernel commands over numbered buffers, with no device in sight.
 *
 * @module
 */
export * from "./kernel_spec.ts";
export type { PackSpec } from "./pack_spec.ts";
export { type Graph, graphHash } from "./graph.ts";
export { makePlan } from "./make_plan.ts";
export type { KeyOfOp } from "./op_keys.ts";
export * from "./plan.ts";
export * from "./print_plan.ts";
