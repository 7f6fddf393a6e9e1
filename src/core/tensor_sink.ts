/**
 * Sinks: where tensors go part by part, so that nobody ever holds a whole one twice.
 *
 * @module
 */
import type { ElementType } from "./dtype.ts";
import type { Shape } from "./shape.ts";
import type { PackOutcome, StoredRows } from "./stored_rows.ts";

/** A tensor on its way. Exactly one of `end` and `abandon` is called, and is the last call. */
export interface TensorParts<Leaf> {
  /** Takes bytes that belong at an offset; they are copied, and every byte comes once. */
  write(bytes: Uint8Array, offset: number): void;
  /**
   * Takes rows of a packed matrix as they are stored and packs them, in place of writing them packed.
   * Unfit rows leave their panels undefined. Absent where the caller has to pack.
   */
  readonly pack?: (rows: StoredRows) => PackOutcome;
  /** The tensor, once all of its bytes were written. */
  end(): Leaf;
  /** Gives up: the memory goes back. */
  abandon(): void;
}

/** How a place that computes takes products with packed weights. */
export type Activations = "f32" | "rounded";

/** Takes tensors one after another. */
export interface TensorSink<Leaf> {
  /**
   * "f32" where products are fastest with activations as they are; "rounded", or absent, where they
   * are fastest in integers, with activations rounded to 8 bits.
   */
  readonly activations?: Activations;
  /** Begins a tensor of so many bytes: packed, or little-endian elements in row-major order. */
  begin(type: ElementType, shape: Shape, byteLength: number): TensorParts<Leaf>;
}
