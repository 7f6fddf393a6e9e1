/**
 * Host tensors: plain arrays with a shape, on their way to or from a device.
 *
 * @module
 */
import type { ElementType, HostArray, PackedType } from "./dtype.ts";
import { OutriderError } from "./errors.ts";
import { type Shape, shapeText, sizeOf } from "./shape.ts";

/** An array of a computed type in host memory. */
export interface DenseHostTensor {
  /** Tells host tensors from other leaves. */
  readonly kind: "host";
  /** Element type. */
  readonly type: "f32" | "i32";
  /** Sizes of the axes. */
  readonly shape: Shape;
  /** The elements in row-major order. */
  readonly data: HostArray;
}

/** A packed weight matrix in host memory. */
export interface PackedHostTensor {
  /** Tells host tensors from other leaves. */
  readonly kind: "host";
  /** The packed layout. */
  readonly type: PackedType;
  /** `[rows, columns]` */
  readonly shape: Shape;
  /** The matrix in the packed layout. */
  readonly data: Uint8Array;
}

/** A host array with its shape and type. */
export type HostTensor = DenseHostTensor | PackedHostTensor;

/** True for host tensors: the leaves of a parameter tree in host memory. */
export function isHostTensor(value: unknown): value is HostTensor {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "host";
}

/**
 * An array with its shape; f32 from a Float32Array, i32 from an Int32Array.
 *
 * @throws OutriderError where the shape does not have as many elements as the array
 * @example
 * ```ts
 * import { hostTensor } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const { shape, type } = hostTensor(Float32Array.of(1, 2, 3, 4), [2, 2]);
 * assertEquals([shape, type], [[2, 2], "f32"]);
 * ```
 */
export function hostTensor(data: HostArray, shape: Shape = [data.length]): DenseHostTensor {
  if (sizeOf(shape) !== data.length) {
    throw new OutriderError(
      `${sizeOf(shape)} elements for shape ${shapeText(shape)}`,
      `${data.length}`,
      "check the shape",
    );
  }
  return { kind: "host", type: data instanceof Float32Array ? "f32" : "i32", shape, data };
}

/** A packed matrix with its shape. */
export function packedHostTensor(
  type: PackedType,
  shape: Shape,
  data: Uint8Array,
): PackedHostTensor {
  return { kind: "host", type, shape, data };
}

/** The element type in words, for messages. */
export function describe(type: ElementType, shape: Shape): string {
  return `${type}${shapeText(shape)}`;
}
