/**
 * What a generator gives back, and the features of the engine that it may use.
 *
 * @module
 */
import { buildFunction, type FunctionBuilder, type Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { MAXIMUM_PAGES, MINIMUM_PAGES, moduleBytes } from "./assembler_module.ts";
import { at, f32x4, i32x4, v128 } from "./assembler_ops.ts";

/** What the engine makes of neighbouring vectors: instructions of their own, or wider ones. */
export type Vectors = "apart" | "joined";

/** What the engine offers; but for `vectors`, it decides the bits of every product-and-sum. */
export interface Features {
  /** Fused multiply-add by relaxed SIMD. */
  readonly relaxedMadd: "present" | "absent";
  /** Whether the relaxed dot product multiplies signed by unsigned bytes 0 .. 255 exactly. */
  readonly byteDot: "exact" | "saturating";
  /**
   * Whether the engine joins neighbouring vectors of 128 bits to 256 and leaves out the checks of
   * bounds between them. It decides the shape of tiles, never a bit.
   */
  readonly vectors: Vectors;
  /** The kind of memory that modules import. */
  readonly memory: "shared" | "unshared";
}

/**
 * A generated kernel: a module that exports "run" (argument pointers..., scratch pointer, lo, hi).
 *
 * It does work units lo .. hi-1. No unit shares an accumulation with another, so the bits of the
 * result are those of one call for every split, and units may run on several threads at once, each
 * with a scratch of its own.
 */
export interface Kernel {
  /** The module. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Independent work units in all. */
  readonly units: number;
  /** Fewest units that are worth a thread of their own. */
  readonly grain: number;
  /** Bytes of private memory that one call needs. */
  readonly scratchBytes: number;
}

/** The parameters of a kernel's function, by name. */
export interface KernelFrame {
  /** Takes the code. */
  readonly builder: FunctionBuilder;
  /** The argument pointers, in the spec's order. */
  readonly args: readonly Local<"i32">[];
  /** Private memory of the call. */
  readonly scratch: Local<"i32">;
  /** The first unit to do. */
  readonly lo: Local<"i32">;
  /** The unit after the last one. */
  readonly hi: Local<"i32">;
  /** What the engine offers. */
  readonly features: Features;
}

/** What a generator decides besides the code. */
export interface KernelShape {
  /** Number of argument pointers. */
  readonly args: number;
  /** Independent work units in all. */
  readonly units: number;
  /** Arithmetic per unit, roughly in vector instructions; it sets the grain. */
  readonly unitCost: number;
  /** Bytes of private memory that one call needs. */
  readonly scratchBytes: number;
}

/** Vector instructions that outweigh what a barrier among threads costs. */
const THREAD_COST = 8192;

/** Assembles a kernel around the code that `write` emits. */
export function assembleKernel(
  features: Features,
  shape: KernelShape,
  write: (frame: KernelFrame) => void,
): Kernel {
  const parameters = shape.args + 3;
  const built = buildFunction(parameters, (builder, all) => {
    const [scratch, lo, hi] = all.slice(shape.args);
    if (shape.units > 0) {
      write({ builder, args: all.slice(0, shape.args), scratch, lo, hi, features });
    }
  });
  const bytes = moduleBytes({
    memory: features.memory,
    imports: [],
    functions: [{ name: "run", parameters, ...built }],
  });
  return {
    bytes,
    units: shape.units,
    grain: Math.max(1, Math.ceil(THREAD_COST / Math.max(1, shape.unitCost))),
    scratchBytes: shape.scratchBytes,
  };
}

type V128 = Expression<"v128">;

/** a * b + c in the one way that this engine does it, in every kernel alike. */
export function multiplyAdd(features: Features, a: V128, b: V128, c: V128): V128 {
  return features.relaxedMadd === "present"
    ? f32x4.relaxedMadd(a, b, c)
    : f32x4.add(f32x4.mul(a, b), c);
}

/** A vector of sixteen equal bytes. */
function bytes(byte: number): V128 {
  return v128.constant(new Array<number>(16).fill(byte));
}

/** Runs the relaxed dot product on the largest bytes. */
function probeByteDot(features: Features): Features["byteDot"] {
  const probe = assembleKernel(
    features,
    { args: 1, units: 1, unitCost: 1, scratchBytes: 0 },
    ({ builder, args: [pointer] }) => {
      const zero = builder.local(bytes(0));
      builder.emit(v128.store(at(pointer), i32x4.relaxedDot(bytes(127), bytes(255), zero)));
    },
  );
  const memory = new WebAssembly.Memory({
    initial: MINIMUM_PAGES,
    maximum: MAXIMUM_PAGES,
    shared: features.memory === "shared",
  });
  const module = new WebAssembly.Module(probe.bytes);
  const { run } = new WebAssembly.Instance(module, { env: { memory } }).exports;
  if (typeof run !== "function") return "saturating";
  run(0, 0, 0, 1);
  return new Int32Array(memory.buffer)[0] === 4 * 127 * 255 ? "exact" : "saturating";
}

/** The features of the same engine without relaxed SIMD. */
export function withoutRelaxed(features: Features): Features {
  return { ...features, relaxedMadd: "absent", byteDot: "saturating" };
}

/**
 * Asks the engine which features it has, by validating and running modules that use them. What it
 * makes of neighbouring vectors shows in time only, so whoever starts it has to say.
 */
export function probeFeatures(
  memory: "shared" | "unshared",
  vectors: Vectors = "apart",
): Features {
  const features = { relaxedMadd: "present", byteDot: "saturating", vectors, memory } as const;
  const probe = assembleKernel(
    features,
    { args: 1, units: 1, unitCost: 1, scratchBytes: 0 },
    ({ builder, args: [pointer] }) => {
      const value = v128.load(at(pointer));
      builder.emit(v128.store(at(pointer), f32x4.relaxedMadd(value, value, value)));
    },
  );
  if (!WebAssembly.validate(probe.bytes)) return withoutRelaxed(features);
  return { ...features, byteDot: probeByteDot(features) };
}
