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

/** Takes tensors one after another. */
export interface TensorSink<Leaf> {
  /** Begins a tensor of so many bytes: packed, or little-endian elements in row-major order. */
  begin(type: ElementType, shape: Shape, byteLength: number): TensorParts<Leaf>;
}
