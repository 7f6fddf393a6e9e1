/**
 * The one order in which products add, whatever their shape, strides and number of rows.
 *
 * The sum over k is cut into blocks of 32. Block b belongs to chain b mod {@link CHAINS}; a chain adds
 * its blocks in order by fused multiply-adds from 0, and the chains are added in order from 0. So the
 * lanes of a group can share out one row's sum, and the kernels of many rows take chain after chain:
 * both give the same bits.
 *
 * Within a block the columns come in order, but for weights of two levels in a byte: there columns j
 * and j + 16 follow each other. Products in integers add a block exactly, and then its f32 value to
 * the chain.
 *
 * @module
 */
import { BLOCK_COLUMNS } from "../../src/core/packed.ts";

/** Chains of a sum. */
export const CHAINS = 8;

/** Blocks of a sum over k; the last one may be short. */
export function blocksOf(k: number): number {
  return Math.ceil(k / BLOCK_COLUMNS);
}

/** Chains of a sum over k that have a block. */
export function chainsOf(k: number): number {
  return Math.min(CHAINS, blocksOf(k));
}

/** The number of columns of the block whose number is the expression `block`. */
export function blockLength(k: number, block: string): string {
  if (k % BLOCK_COLUMNS === 0) return `${BLOCK_COLUMNS}u`;
  return `min(${BLOCK_COLUMNS}u, ${k}u - ${block} * ${BLOCK_COLUMNS}u)`;
}

/** Numbers 0 .. count - 1. */
export function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i);
}
