/** Damages files in seeded ways, and checks what a reader may do with a damaged file. */

import { assert } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import type { ByteSource } from "../../src/io/bytes.ts";
import { memorySource } from "../../src/io/bytes.ts";
import { type Chooser, concat } from "./random_bytes.ts";

/** Integers that readers stumble over: zeros, sign bits, limits of every width. */
const NASTY: readonly bigint[] = [
  0n,
  1n,
  255n,
  2n ** 15n,
  2n ** 16n - 1n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 32n,
  2n ** 64n - 1n,
];

type Bytes = Uint8Array<ArrayBuffer>;

/** One way to damage bytes. */
type Damage = (bytes: Bytes, choose: Chooser) => Bytes;

function overwriteInteger(bits: 32 | 64): Damage {
  return (bytes, choose) => {
    const damaged = bytes.slice();
    const size = bits / 8;
    if (damaged.length < size) return damaged;
    const view = new DataView(damaged.buffer);
    const at = choose.below(damaged.length - size + 1);
    if (bits === 32) view.setUint32(at, Number(choose.pick(NASTY) & 0xffffffffn), true);
    else view.setBigUint64(at, choose.pick(NASTY), true);
    return damaged;
  };
}

const DAMAGES: Readonly<Record<string, Damage>> = {
  truncate: (bytes, choose) => bytes.slice(0, choose.below(bytes.length + 1)),
  flipBits: (bytes, choose) => {
    const damaged = bytes.slice();
    for (let i = 1 + choose.below(4); i > 0 && damaged.length > 0; i--) {
      damaged[choose.below(damaged.length)] ^= 1 << choose.below(8);
    }
    return damaged;
  },
  overwrite32: overwriteInteger(32),
  overwrite64: overwriteInteger(64),
  remove: (bytes, choose) => {
    const at = choose.below(bytes.length + 1);
    return concat([bytes.slice(0, at), bytes.slice(at + 1 + choose.below(16))]);
  },
  insert: (bytes, choose) => {
    const at = choose.below(bytes.length + 1);
    return concat([bytes.slice(0, at), choose.bytes(1 + choose.below(16)), bytes.slice(at)]);
  },
  repeatPart: (bytes, choose) => {
    const from = choose.below(bytes.length + 1);
    const to = from + choose.below(bytes.length - from + 1);
    return concat([bytes.slice(0, to), bytes.slice(from)]);
  },
};

/** The names of the ways to damage a file. */
export const DAMAGE_NAMES: readonly string[] = Object.keys(DAMAGES);

/** Damages the first `header` bytes in one way; what follows them moves along. */
export function damage(name: string, bytes: Bytes, header: number, choose: Chooser): Bytes {
  return concat([DAMAGES[name](bytes.slice(0, header), choose), bytes.slice(header)]);
}

/** A source that fails the test when more is read than the file has bytes, times a constant. */
function meteredSource(bytes: Bytes): { source: ByteSource; check: () => void } {
  const inner = memorySource(bytes);
  let total = 0;
  return {
    source: {
      ...inner,
      read: (offset, length) => {
        assert(length <= bytes.length, `a read of ${length} from ${bytes.length} bytes`);
        total += length;
        return inner.read(offset, length);
      },
    },
    check: () => assert(total <= 4 * bytes.length + 1024, `${total} read of ${bytes.length}`),
  };
}

const SLOWEST_MILLISECONDS = 2000;

/**
 * Lets a reader have damaged bytes: it may succeed, or throw an OutriderError of one line; nothing
 * else. Returns which of the two.
 */
export async function survive(
  bytes: Bytes,
  read: (source: ByteSource) => Promise<unknown>,
): Promise<"read" | "refused"> {
  const { source, check } = meteredSource(bytes);
  const start = performance.now();
  try {
    await read(source);
    return "read";
  } catch (error) {
    if (!(error instanceof OutriderError)) throw error;
    assert(!error.message.includes("\n") && error.message.length < 1000, error.message);
    return "refused";
  } finally {
    check();
    assert(performance.now() - start < SLOWEST_MILLISECONDS, "a damaged file took too long");
  }
}
