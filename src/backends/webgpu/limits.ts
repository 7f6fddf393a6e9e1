/**
 * How large buffers and bindings can be.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";

/** What must be chosen or known of a device's memory; larger arrays are cut. */
export interface MemoryLimits {
  /** Bytes of a binding at most: a multiple of {@link ALIGNMENT}. */
  readonly bindingBytes: number;
  /** Bytes of a buffer at most: a multiple of `bindingBytes`. */
  readonly bufferBytes: number;
}

/** Where ranges of buffers may begin: the standard's largest minStorageBufferOffsetAlignment. */
export const ALIGNMENT = 256;

/** Bytes that words can be counted in: shaders count them in 32 bits. */
export const MOST_BYTES = 2 ** 34;

/** Bindings that so many bytes take. */
export function piecesOf(bytes: number, bindingBytes: number): number {
  return Math.max(1, Math.ceil(bytes / bindingBytes));
}

function aligned(bytes: number, to: number): number {
  return Math.floor(bytes / to) * to;
}

/**
 * The limits of a device, or smaller ones that are wanted.
 *
 * @throws OutriderError where less than {@link ALIGNMENT} bytes are wanted
 */
export function memoryLimits(
  { maxStorageBufferBindingSize, maxBufferSize }: GPUSupportedLimits,
  wanted: Partial<MemoryLimits>,
): MemoryLimits {
  const { bindingBytes = Infinity, bufferBytes = Infinity } = wanted;
  const buffer = Math.min(bufferBytes, maxBufferSize);
  const binding = aligned(Math.min(bindingBytes, maxStorageBufferBindingSize, buffer), ALIGNMENT);
  if (binding >= ALIGNMENT) {
    return { bindingBytes: binding, bufferBytes: aligned(buffer, binding) };
  }
  throw new OutriderError(
    `bindings and buffers of at least ${ALIGNMENT} bytes`,
    `${bindingBytes} and ${bufferBytes}`,
    "leave bindingBytes and bufferBytes out",
  );
}
