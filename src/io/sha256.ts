/**
 * SHA-256 of a short text, wherever the library runs: browsers have no synchronous digest.
 *
 * @module
 */

const BLOCK_BYTES = 64;
const ROUNDS = 64;

/** Whole numbers from 2 on that no smaller one divides, as many as there are rounds. */
function firstPrimes(): readonly number[] {
  const primes: number[] = [];
  for (let candidate = 2; primes.length < ROUNDS; candidate++) {
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate);
  }
  return primes;
}

/** The first 32 bits of a root's fraction, which doubles hold exactly enough of. */
const fractionBits = (root: number): number => Math.floor((root % 1) * 2 ** 32) | 0;

const PRIMES = firstPrimes();
const ROUND_WORDS = Int32Array.from(PRIMES, (prime) => fractionBits(Math.cbrt(prime)));
const FIRST_STATE = Int32Array.from(PRIMES.slice(0, 8), (prime) => fractionBits(Math.sqrt(prime)));

const rotate = (word: number, by: number): number => (word >>> by) | (word << (32 - by));

/** The bytes with a one bit, zeros and the length in bits, up to a whole number of blocks. */
function padded(bytes: Uint8Array): DataView {
  const blocks = Math.ceil((bytes.length + 9) / BLOCK_BYTES);
  const message = new Uint8Array(blocks * BLOCK_BYTES);
  message.set(bytes);
  message[bytes.length] = 0x80;
  const view = new DataView(message.buffer);
  view.setBigUint64(message.length - 8, BigInt(bytes.length) * 8n);
  return view;
}

/** Fills `schedule` from the block at `offset`, and mixes it into `state`. */
function mixBlock(
  state: Int32Array,
  schedule: Int32Array,
  message: DataView,
  offset: number,
): void {
  for (let i = 0; i < 16; i++) schedule[i] = message.getInt32(offset + 4 * i);
  for (let i = 16; i < ROUNDS; i++) {
    const early = schedule[i - 15];
    const late = schedule[i - 2];
    const s0 = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
    const s1 = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
    schedule[i] = schedule[i - 16] + s0 + schedule[i - 7] + s1;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < ROUNDS; i++) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const first = (h + s1 + ((e & f) ^ (~e & g)) + ROUND_WORDS[i] + schedule[i]) | 0;
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const second = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + second) | 0;
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => state[i] += word);
}

/**
 * The SHA-256 of UTF-8 text, in hexadecimal (FIPS 180-4).
 *
 * Its constants are the fractions of roots of primes, computed as the standard defines them.
 */
export function sha256OfText(text: string): string {
  const message = padded(new TextEncoder().encode(text));
  const state = Int32Array.from(FIRST_STATE);
  const schedule = new Int32Array(ROUNDS);
  for (let offset = 0; offset < message.byteLength; offset += BLOCK_BYTES) {
    mixBlock(state, schedule, message, offset);
  }
  return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}
