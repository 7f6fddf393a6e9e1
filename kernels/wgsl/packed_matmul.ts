/**
 * packedMatmul: out[m, n] = sum over k of x[m, k] w[n, k], w in packed panels.
 *
 * @module
 */
import { isInteger } from "../../src/core/dtype.ts";
import { OutriderError } from "../../src/core/errors.ts";
import type { PackedMatmulSpec } from "../../src/plan/kernel_spec.ts";
import { integerMatmulPart } from "./integer_matmul.ts";
import { SKINNY_ROWS, skinnyNumbers, skinnyPart } from "./matmul_skinny.ts";
import { tiledNumbers, tiledPart } from "./matmul_tiled.ts";
import { packedQuads, plainQuads } from "./quads.ts";
import type { PartFrame, ShaderPart, Words } from "./shader.ts";

/** The words of the weights: they are never computed on the way. */
function boundWords({ inputs }: PartFrame): Words {
  const { words } = inputs[1];
  if (words !== undefined) return words;
  throw new OutriderError("packed weights in memory", "computed ones", "bind them");
}

/** Generates the part of a product with packed weights. */
export function packedMatmulPart(spec: PackedMatmulSpec, frame: PartFrame): ShaderPart {
  const { weights, m, n, k } = spec;
  const words = boundWords(frame);
  if (isInteger(weights)) return integerMatmulPart({ weights, m, n, k }, words, frame);
  const shape = { batch: 1, m, n, k };
  const columns = (name: string) => packedQuads(words, { weights, n, k }, name);
  const [x] = frame.inputs;
  if (m > SKINNY_ROWS) {
    const access = { start: "0u", members: m, memberStride: k, stepStride: 1 };
    return tiledPart(
      shape,
      tiledNumbers(shape, { left: plainQuads(x, access, "l"), right: columns("r") }),
      frame,
    );
  }
  const element = (row: string, column: string) => x.at(`${row} * ${k}u + ${column}`);
  return skinnyPart(shape, skinnyNumbers(shape, { left: element, right: columns }), frame);
}
