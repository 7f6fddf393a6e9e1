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
import type { Allocation } from "./backend.ts";
import { type DeviceArray, isDeviceArray } from "./device_array.ts";

/** One argument, looked at once. */
export interface Signed {
  /** Its arrays, in the order of its leaves. */
  readonly arrays: readonly DeviceArray[];
  /** The number of its structure, shapes and constants: equal where they are. */
  readonly signature: number;
  /** The memory of its arrays. Throws where one is dead. */
  readonly memory: () => readonly Allocation[];
}

/** Signs arguments and remembers what was signed. */
export interface Signer {
  /** Signs an argument; an object seen before, such as a parameter tree, is not walked again. */
  sign(argument: unknown): Signed;
  /** The signature of a tree of tensors, as the arrays in their places will have it. */
  signTraced(tree: unknown): number;
  /** Notes what `sign` would find out about a tree that was just made. */
  remember(tree: object, arrays: readonly DeviceArray[], signature: number): void;
  /** Told when an array has died that stood in a tree which was signed more than once. */
  arrayDied(): void;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function lookAt(arrays: readonly DeviceArray[]): Allocation[] {
  return arrays.map((array) => array.memory.look());
}

/** A signer; devices have one each, so that what one function returns is known to the next. */
export function createSigner(): Signer {
  const numbers = new Map<string, number>();
  const leafNumbers = new Map<string, number>();
  const known = new WeakMap<object, Signed>();
  let deaths = 0;
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
  const leafSignature = (array: DeviceArray): number => {
    const { label } = array.memory;
    const found = leafNumbers.get(label) ?? signatureOf(array, isDeviceArray);
    leafNumbers.set(label, found);
    return found;
  };
  const signedOf = (arrays: readonly DeviceArray[], signature: number): Signed => ({
    arrays,
    signature,
    memory: () => lookAt(arrays),
  });
  /** The same of a tree that may come again: from then on it is looked at only after a death. */
  const recurring = (arrays: readonly DeviceArray[], signature: number): Signed => {
    let found: readonly Allocation[] = [];
    let lookedAt = -1;
    let isRecurring = false;
    const memory = (): readonly Allocation[] => {
      if (lookedAt === deaths) return found;
      found = lookAt(arrays);
      if (isRecurring) {
        for (const array of arrays) array.watch();
        lookedAt = deaths;
      }
      isRecurring = true;
      return found;
    };
    return { arrays, signature, memory };
  };
  return {
    sign(argument) {
      if (isDeviceArray(argument)) return signedOf([argument], leafSignature(argument));
      const found = isObject(argument) ? known.get(argument) : undefined;
      if (found !== undefined) return found;
      const arrays = leavesOf(argument, isDeviceArray);
      const made = recurring(arrays, signatureOf(argument, isDeviceArray));
      if (isObject(argument)) known.set(argument, made);
      return made;
    },
    signTraced: (tree) => signatureOf(tree, isTensor),
    remember: (tree, arrays, signature) => void known.set(tree, signedOf(arrays, signature)),
    arrayDied: () => void deaths++,
  };
}
