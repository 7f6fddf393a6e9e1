/**
 * Products with a matrix that is larger than a binding: one for each range of its columns, which
 * binds that part of the matrix alone and stores its columns of the result.
 *
 * Elsewhere such a matrix is read in pieces, where every element costs a comparison or more. That is
 * so for products whose sums run over the whole matrix, as in backward passes.
 *
 * @module
 */
import { ELEMENT_BYTES } from "../../../core/dtype.ts";
import { PACKED_LAYOUT, PANEL_ROWS } from "../../../core/packed.ts";
import type { MapSpec, MatmulSpec, PackedMatmulSpec } from "../../../plan/kernel_spec.ts";
import { ALIGNMENT, type MemoryLimits } from "../limits.ts";
import type { Step } from "./step.ts";

type Product = MatmulSpec | PackedMatmulSpec;

/** A part of a product: its kernel, and the bytes of the matrix that it reads. */
interface ProductPart {
  readonly kernel: Product;
  readonly window: { readonly from: number; readonly bytes: number };
}

/** How a product is cut: where the part of some columns would be, and where cuts may be. */
interface Cutting {
  readonly unit: number;
  part(first: number, end: number): ProductPart;
}

/** Columns between which plain matrices are cut: those of a group. */
const PLAIN_UNIT = 32;

function plainCutting(spec: MatmulSpec): Cutting {
  const { offset, rowStride, columnStride } = spec.right;
  const wordsPerStart = ALIGNMENT / ELEMENT_BYTES;
  return {
    unit: PLAIN_UNIT,
    part(first, end) {
      const start = offset + first * columnStride;
      const from = start - start % wordsPerStart;
      const last = offset + (end - 1) * columnStride + (spec.k - 1) * rowStride;
      return {
        kernel: { ...spec, n: end - first, right: { ...spec.right, offset: start - from } },
        window: { from: from * ELEMENT_BYTES, bytes: (last + 1 - from) * ELEMENT_BYTES },
      };
    },
  };
}

/** A number of panels that begin where a binding may. */
function panelsPerCut(panelBytes: number): number {
  const powers = [1, 2, 4, 8, 16, 32];
  return powers.find((panels) => panels * panelBytes % ALIGNMENT === 0) ??
    ALIGNMENT / ELEMENT_BYTES;
}

function packedCutting(spec: PackedMatmulSpec): Cutting {
  const { columns, bytes } = PACKED_LAYOUT[spec.weights];
  const panelBytes = spec.k / columns * bytes;
  return {
    unit: PANEL_ROWS * panelsPerCut(panelBytes),
    part: (first, end) => ({
      kernel: { ...spec, n: end - first },
      window: {
        from: first / PANEL_ROWS * panelBytes,
        bytes: Math.ceil((end - first) / PANEL_ROWS) * panelBytes,
      },
    }),
  };
}

/** Where the columns of each part end, after 0; undefined where a part would not fit. */
function cut(n: number, { unit, part }: Cutting, limits: MemoryLimits): number[] | undefined {
  const fits = (first: number, end: number): boolean => {
    const { from, bytes } = part(first, end).window;
    const isInOneBuffer = from % limits.bufferBytes + bytes <= limits.bufferBytes;
    return bytes <= limits.bindingBytes && isInOneBuffer;
  };
  const ends = [0];
  for (let first = 0; first < n; first = ends[ends.length - 1]) {
    let end = first;
    while (end < n && fits(first, Math.min(n, end + unit))) end = Math.min(n, end + unit);
    if (end === first) return undefined;
    ends.push(end);
  }
  return ends;
}

/** Puts columns of a product from `first` on where they are among `all` columns. */
function columnsOf(m: number, count: number, first: number, all: number): MapSpec {
  return {
    family: "map",
    shape: [m, count],
    inputs: [{ type: "f32", strides: [count, 1], offset: 0 }],
    output: { type: "f32", strides: [all, 1], offset: first },
    body: [{ op: "load", access: 0, type: "f32" }],
  };
}

function splitProduct(
  step: Step,
  spec: Product,
  bytes: (buffer: number) => number,
  limits: MemoryLimits,
): Step[] {
  const [left, right] = step.sources;
  if (!("buffer" in right) || bytes(right.buffer) <= limits.bindingBytes) return [step];
  if (spec.family === "matmul" && spec.batch !== 1) return [step];
  const cutting = spec.family === "matmul" ? plainCutting(spec) : packedCutting(spec);
  const ends = cut(spec.n, cutting, limits);
  if (ends === undefined) return [step];
  return ends.slice(1).map((end, i): Step => {
    const { kernel, window } = cutting.part(ends[i], end);
    const { target } = step;
    const map = columnsOf(spec.m, end - ends[i], ends[i], spec.n);
    return {
      kernel,
      sources: [left, { ...right, window }],
      after: { map, input: 0, sources: [{ buffer: target }] },
      target,
    };
  });
}

/** The steps with products of matrices beyond a binding cut, given the bytes of buffers. */
export function splitProducts(
  steps: readonly Step[],
  bytes: (buffer: number) => number,
  limits: MemoryLimits,
): Step[] {
  return steps.flatMap((step) => {
    const { kernel } = step;
    const isProduct = kernel.family === "matmul" || kernel.family === "packedMatmul";
    return isProduct ? splitProduct(step, kernel, bytes, limits) : [step];
  });
}
