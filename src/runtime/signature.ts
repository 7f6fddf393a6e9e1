/**
 * Signatures of arguments: what decides whether a function that was traced fits them.
 *
 * @module
 */
import type { ElementType } from "../core/dtype.ts";
import { isTensor } from "../core/grad.ts";
import { describe } from "../core/host_tensor.ts";
import type { Shape } from "../core/shape.ts";
import { type IsLeaf, leavesOf, mapTree } from "../core/tree.ts";
import { stableJson } from "../plan/stable_json.ts";
import { type DeviceArray, isDeviceArray } from "./device_array.ts";

/** One argument, looked at once. */
export interface Signed {
  /** Its arrays, in the order of its leaves. */
  readonly arrays: readonly DeviceArray[];
  /** The number of its structure, shapes and constants: equal where they are. */
  readonly signature: number;
}

/** Signs arguments and remembers what was signed. */
export interface Signer {
  /** Signs an argument; an object seen before, such as a parameter tree, is not walked again. */
  sign(argument: unknown): Signed;
  /** The signature of a tree of tensors, as the arrays in their places will have it. */
  signTraced(tree: unknown): number;
  /** Notes what `sign` would find out about a tree that was just made. */
  remember(tree: object, signed: Signed): void;
}

/** A signer; devices have one each, so that what one function returns is known to the next. */
export function createSigner(): Signer {
  const numbers = new Map<string, number>();
  const known = new WeakMap<object, Signed>();
  const numberOf = (text: string): number => {
    const found = numbers.get(text);
    if (found !== undefined) return found;
    numbers.set(text, numbers.size);
    return numbers.size - 1;
  };
  const signatureOf = <Leaf extends { readonly type: ElementType; readonly shape: Shape }>(
    tree: unknown,
    isLeaf: IsLeaf<Leaf>,
  ): number => {
    const shapes = mapTree(tree, isLeaf, ({ type, shape }) => describe(type, shape));
    return numberOf(stableJson(shapes) ?? "undefined");
  };
  const walked = (argument: unknown): Signed => ({
    arrays: leavesOf(argument, isDeviceArray),
    signature: signatureOf(argument, isDeviceArray),
  });
  return {
    sign(argument) {
      if (typeof argument !== "object" || argument === null) return walked(argument);
      const found = known.get(argument);
      if (found !== undefined) return found;
      const made = walked(argument);
      known.set(argument, made);
      return made;
    },
    signTraced: (tree) => signatureOf(tree, isTensor),
    remember: (tree, signed) => void known.set(tree, signed),
  };
}
