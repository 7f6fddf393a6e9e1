/**
 * A WebAssembly module that reads memory as fast as it can and does next to nothing with it.
 *
 * @module
 */

const [I32, V128, EMPTY_BLOCK] = [0x7f, 0x7b, 0x40];
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const LOCAL_TEE = 0x22;
const SIMD = 0xfd;
/** Independent sums, so that no load waits for another. */
const SUMS = 8;
/** Places that are read by turns: some processors fetch from several faster than from one. */
const PLACES = 4;
/** Bytes of one call. */
export const PIECE_BYTES: number = 2 ** 20;
/** Bytes between two places. */
const APART = PIECE_BYTES / PLACES;
/** Bytes read at each place per turn of the loop: a line of the cache. */
const LINE = 64;
/** The first parameters are addresses; the sums follow them. */
const [ADDRESS, END, FIRST_SUM] = [0, 1, 2];

/** An unsigned number in the variable length that the format uses. */
function unsigned(value: number): number[] {
  const low = value & 0x7f;
  const rest = value >>> 7;
  return rest === 0 ? [low] : [low | 0x80, ...unsigned(rest)];
}

function signed(value: number): number[] {
  const low = value & 0x7f;
  const rest = value >> 7;
  const isLast = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return isLast ? [low] : [low | 0x80, ...signed(rest)];
}

function counted(bytes: readonly number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

function name(text: string): number[] {
  return counted([...new TextEncoder().encode(text)]);
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...counted(content)];
}

/** `sum = sum xor load(address + offset)`. */
function readInto(index: number, offset: number): number[] {
  const load = [SIMD, 0x00, 4, ...unsigned(offset)];
  const xor = [SIMD, 0x51];
  const sum = FIRST_SUM + index;
  return [LOCAL_GET, sum, LOCAL_GET, ADDRESS, ...load, ...xor, LOCAL_SET, sum];
}

/** The loads of one turn: a line at each place. */
function turn(): number[] {
  const perLine = LINE / 16;
  return Array.from({ length: PLACES * perLine }, (_, load) => {
    const [place, part] = [Math.floor(load / perLine), load % perLine];
    return readInto(load % SUMS, place * APART + 16 * part);
  }).flat();
}

function body(): number[] {
  const indices = Array.from({ length: SUMS }, (_, index) => index);
  const add = [0x41, ...signed(LINE), 0x6a];
  const isBefore = 0x49;
  const loop = [
    ...[0x03, EMPTY_BLOCK],
    ...turn(),
    ...[LOCAL_GET, ADDRESS, ...add, LOCAL_TEE, ADDRESS, LOCAL_GET, END, isBefore],
    ...[0x0d, 0, 0x0b],
  ];
  const folded = indices.flatMap((index) => {
    const sum = [LOCAL_GET, FIRST_SUM + index];
    return index === 0 ? sum : [...sum, SIMD, 0x51];
  });
  return [1, SUMS, V128, ...loop, ...folded, SIMD, 0x1b, 0, 0x0b];
}

/**
 * The module's bytes. It imports a shared memory `env.memory` and exports `read(from, to)`, which
 * with `to` a quarter of a piece after `from` reads the piece that begins there.
 */
export function streamModule(): Uint8Array<ArrayBuffer> {
  const shared = 0x03;
  const memory = [...name("env"), ...name("memory"), 0x02, shared, 0, ...unsigned(65536)];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 2, I32, I32, 1, I32]),
    ...section(2, [1, ...memory]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name("read"), 0, 0]),
    ...section(10, [1, ...counted(body())]),
  ]);
}
