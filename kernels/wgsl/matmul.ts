/**
 * matmul: out[b, m, n] = sum over k of left[b, m, k] right[b, k, n], operands with any strides.
 *
 * @module
 */
import type { MatmulSpec, MatrixAccess } from "../../src/plan/kernel_spec.ts";
import { SKINNY_ROWS, skinnyNumbers, skinnyPart } from "./matmul_skinny.ts";
import { tiledNumbers, tiledPart } from "./matmul_tiled.ts";
import { columnAccess, plainQuads, rowAccess } from "./quads.ts";
import type { PartFrame, ShaderPart } from "./shader.ts";

function startOf({ offset, batchStride }: MatrixAccess): string {
  return `${offset}u + batch * ${batchStride}u`;
}

/** Generates the part of a product of plain matrices. */
export function matmulPart(spec: MatmulSpec, frame: PartFrame): ShaderPart {
  const { left, right, m, n } = spec;
  const [leftOperand, rightOperand] = frame.inputs;
  const columns = (name: string) =>
    plainQuads(rightOperand, columnAccess(right, n, startOf(right)), name);
  if (m > SKINNY_ROWS) {
    const rows = plainQuads(leftOperand, rowAccess(left, m, startOf(left)), "l");
    return tiledPart(spec, tiledNumbers(spec, { left: rows, right: columns("r") }), frame);
  }
  const element = (row: string, column: string) =>
    leftOperand.at(
      `${startOf(left)} + ${row} * ${left.rowStride}u + ${column} * ${left.columnStride}u`,
    );
  return skinnyPart(spec, skinnyNumbers(spec, { left: element, right: columns }), frame);
}
