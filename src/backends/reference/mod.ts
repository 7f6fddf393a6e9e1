/**
 * The reference backend and the evaluator under it: what every operation means, in plain loops.
 *
 * @module
 */
export { type Bindings, evaluateGraph, evaluateIn } from "./evaluate.ts";
export { referenceBackend } from "./reference_backend.ts";
export { DOUBLE, type NumberArray, type Precision, SINGLE, type Value } from "./value.ts";
