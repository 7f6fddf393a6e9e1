/**
 * Number arrays that grow without being copied: blocks of one size, one after another.
 *
 * @module
 */

/** The kinds of arrays that blocks can be. */
export type NumberBlock = Uint16Array | Int32Array | Float32Array | Float64Array;

/** Numbers by place. */
export interface NumberList {
  /** How many there are. */
  readonly length: number;
  /** The number at a place; undefined outside. */
  readonly at: (index: number) => number | undefined;
}

/** An array that grows. */
export interface GrowingArray extends NumberList {
  /** Adds numbers at the end. */
  readonly append: (values: ArrayLike<number>) => void;
  /** Copies numbers from `start` on until the target is full. */
  readonly copyTo: (target: Int32Array, start: number) => void;
  /** All numbers, block by block, as views. */
  readonly parts: () => Iterable<NumberBlock>;
}

const BLOCK_LENGTH = 2 ** 18;

/** An empty array of the kind that `make` makes; it takes at most one block more than its numbers. */
export function growingArray(
  make: (length: number) => NumberBlock,
  blockLength = BLOCK_LENGTH,
): GrowingArray {
  const blocks: NumberBlock[] = [];
  let length = 0;
  return {
    get length() {
      return length;
    },
    at: (index) =>
      index >= 0 && index < length
        ? blocks[Math.floor(index / blockLength)][index % blockLength]
        : undefined,
    append: (values) => {
      for (let i = 0; i < values.length; i++) {
        const at = length % blockLength;
        if (at === 0) blocks.push(make(blockLength));
        blocks[blocks.length - 1][at] = values[i];
        length++;
      }
    },
    copyTo: (target, start) => {
      for (let done = 0; done < target.length;) {
        const at = (start + done) % blockLength;
        const count = Math.min(target.length - done, blockLength - at);
        const block = blocks[Math.floor((start + done) / blockLength)];
        target.set(block.subarray(at, at + count), done);
        done += count;
      }
    },
    parts: () =>
      blocks.map((block, i) => block.subarray(0, Math.min(blockLength, length - i * blockLength))),
  };
}
