/** Runs one generated kernel over host arrays, in one call or split into several. */
import { generateKernel, probeFeatures, withoutRelaxed } from "../../kernels/wasm/mod.ts";
import { MINIMUM_PAGES } from "../../kernels/wasm/assembler_module.ts";
import type { Features } from "../../kernels/wasm/mod.ts";
import { foldIn, type Key, keyOf, normals, uniformInteger } from "../../src/core/random.ts";
import type { KernelSpec } from "../../src/plan/kernel_spec.ts";

export type Words = Float32Array | Int32Array | Uint8Array;

const PROBED = probeFeatures("unshared");

/**
 * Every way to multiply and add that the engine has: without fused steps, with each kind of dot, and
 * with the tiles for joined vectors.
 */
export const FEATURE_SETS: readonly Features[] = [
  withoutRelaxed(PROBED),
  ...(PROBED.relaxedMadd === "present" ? [PROBED, { ...PROBED, vectors: "joined" } as const] : []),
  ...(PROBED.byteDot === "exact"
    ? [
      { ...PROBED, byteDot: "saturating" } as const,
      { ...PROBED, byteDot: "saturating", vectors: "joined" } as const,
    ]
    : []),
];

/** Units cut into calls: "whole", one unit per call in reverse, or uneven pieces. */
export type Split = "whole" | "single units backwards" | "thirds";

export const SPLITS: readonly Split[] = ["whole", "single units backwards", "thirds"];

function pieces(units: number, split: Split): [number, number][] {
  if (split === "whole") return [[0, units]];
  if (split === "single units backwards") {
    return Array.from({ length: units }, (_, i) => [units - 1 - i, units - i]);
  }
  const cuts = [0, Math.floor(units / 3), Math.floor(2 * units / 3), units];
  return [[cuts[1], cuts[2]], [cuts[2], cuts[3]], [cuts[0], cuts[1]]];
}

const GUARD_BYTES = 64;

/** A runner for one spec; the arrays are the kernel's arguments and are updated in place. */
export function kernelRunner(
  spec: KernelSpec,
  features: Features,
): (args: readonly Words[], split?: Split) => void {
  const kernel = generateKernel(spec, features);
  const module = new WebAssembly.Module(kernel.bytes);
  return (args, split = "whole") => {
    let end = 4;
    const addresses = args.map((array) => {
      const address = end;
      end += Math.ceil((array.byteLength + GUARD_BYTES) / 4) * 4;
      return address;
    });
    const pages = Math.ceil((end + kernel.scratchBytes) / 65536) + 1;
    const memory = new WebAssembly.Memory({
      initial: Math.max(pages, MINIMUM_PAGES),
      maximum: 65536,
    });
    const bytes = new Uint8Array(memory.buffer);
    const view = (array: Words): Uint8Array =>
      new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    bytes.fill(0xff);
    args.forEach((array, i) => bytes.set(view(array), addresses[i]));
    const { run } = new WebAssembly.Instance(module, { env: { memory } }).exports;
    if (typeof run !== "function") throw new Error("the kernel exports no function");
    for (const [lo, hi] of pieces(kernel.units, split)) run(...addresses, end, lo, hi);
    args.forEach((array, i) => {
      const after = addresses[i] + array.byteLength;
      view(array).set(bytes.subarray(addresses[i], after));
      const guard = bytes.subarray(after, after + GUARD_BYTES);
      if (guard.some((byte) => byte !== 0xff)) throw new Error(`wrote beyond argument ${i}`);
    });
    if (bytes.subarray(0, 4).some((byte) => byte !== 0xff)) throw new Error("wrote before");
  };
}

/** Standard normal numbers by seed. */
export function randomFloats(seed: number, count: number): Float32Array {
  return normals(keyOf(seed), count);
}

/** Integers in lo .. hi-1 by seed. */
export function randomIntegers(seed: number, count: number, lo: number, hi: number): Int32Array {
  const key: Key = keyOf(seed);
  return Int32Array.from({ length: count }, (_, i) => lo + uniformInteger(foldIn(key, i), hi - lo));
}

/** Fails unless every element is within `relative` of the expected one, NaN and infinities equal. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  relative: number,
  label: string,
): void {
  if (actual.length !== expected.length) {
    throw new Error(`${label}: ${actual.length} elements, expected ${expected.length}`);
  }
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i];
    const e = expected[i];
    if (Object.is(a, e) || a === e || (Number.isNaN(a) && Number.isNaN(e))) continue;
    if (Math.abs(a - e) <= relative * Math.max(1, Math.abs(e))) continue;
    throw new Error(`${label}: element ${i} is ${a}, expected ${e}`);
  }
}

/** Fails unless the bits of all elements are equal. */
export function assertSameBits(actual: Words, expected: Words, label: string): void {
  const words = (array: Words): Uint8Array =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const [a, e] = [words(actual), words(expected)];
  if (a.length !== e.length) throw new Error(`${label}: ${a.length} bytes, expected ${e.length}`);
  const at = a.findIndex((byte, i) => byte !== e[i]);
  if (at >= 0) {
    const i = Math.floor(at / 4);
    throw new Error(`${label}: element ${i} is ${actual[i]}, expected the bits of ${expected[i]}`);
  }
}
