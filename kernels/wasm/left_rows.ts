/**
 * The left operand of a product as the tiles read it: one value at a time, repeated in all lanes.
 *
 * @module
 */
import type { Local, MovingPointer } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, i32, v128 } from "./assembler_ops.ts";
import type { KernelFrame } from "./kernel.ts";

/** Rows of a left operand on their way over k. */
export interface LeftRows {
  /** What moves with k. */
  readonly moving: readonly MovingPointer[];
  /** Element k after the present one of a row, in all lanes. */
  factor(row: number, k: number): Expression<"v128">;
}

/** Starts at the first k of some rows. */
export function leftRows(
  { builder, features }: KernelFrame,
  left: Local<"i32">,
  { rows, rowBytes, stepBytes }: { rows: number; rowBytes: number; stepBytes: number },
): LeftRows {
  // The engine folds no offset into a load that repeats a lane. Where registers have room for few
  // addresses, a pointer for each row and an offset for each step are fewer than one for each pair.
  const isApart = features.vectors === "apart";
  const pointers = Array.from(
    { length: isApart ? 1 : rows },
    (_, row) => builder.local(i32.add(left, i32.constant(row * rowBytes))),
  );
  return {
    moving: pointers.map((pointer) => ({ pointer, bytes: stepBytes })),
    factor: (row, k) =>
      v128.load32Splat(
        isApart
          ? at(pointers[0], row * rowBytes + k * stepBytes)
          : at(pointers[row], k * stepBytes),
      ),
  };
}
