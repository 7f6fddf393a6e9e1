/**
 * The core: tensors as immutable descriptions, and functions from description to description.
 *
 * @module
 */
export { after } from "./after.ts";
export * from "./attention_parts.ts";
export { checkpoint } from "./checkpoint.ts";
export * from "./dtype.ts";
export * from "./elementwise.ts";
export * from "./elementwise_ops.ts";
export * from "./errors.ts";
export { grad, isTensor, valueAndGrad, valueAndGradWith } from "./grad.ts";
export type { Gradients, Scored, ValueAndGrad } from "./grad.ts";
export * from "./half_rows.ts";
export * from "./host_tensor.ts";
export * from "./infer.ts";
export * from "./linear_ops.ts";
export * from "./movement_ops.ts";
export * from "./pack.ts";
export * from "./packed.ts";
export * from "./print.ts";
export * from "./quantized_rows.ts";
export * from "./random.ts";
export * from "./shape.ts";
export * from "./stored_rows.ts";
export * from "./tensor.ts";
export * from "./tensor_sink.ts";
export * from "./tree.ts";
export * from "./unpack.ts";
export { pullback } from "./vjp.ts";
export * from "./with_gradients.ts";
