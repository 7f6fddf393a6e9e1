/**
 * Texts that name operations with their attributes.
 *
 * @module
 */
import type { Op } from "../core/tensor.ts";
import { stableJson } from "./stable_json.ts";

/** Gives an operation's text: equal for equal operations, the content of constants included. */
export type KeyOfOp = (op: Op) => string;

/** Makes texts of operations; an operation seen before, such as a large constant, costs nothing. */
export function opKeys(): KeyOfOp {
  const known = new Map<Op, string>();
  return (op) => {
    const found = known.get(op);
    if (found !== undefined) return found;
    const made = stableJson(op);
    known.set(op, made);
    return made;
  };
}
