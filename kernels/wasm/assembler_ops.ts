/**
 * The Wasm instructions that kernels use, as typed functions from expressions to expressions.
 *
 * Opcodes are those of the WebAssembly core specification 3.0 (SIMD and relaxed SIMD included).
 *
 * @module
 */
import {
  type Code,
  type Expression,
  expression,
  floatBytes,
  signedLeb,
  type Statement,
  statement,
  unsignedLeb,
  type ValueType,
} from "./assembler_code.ts";

type I32 = Expression<"i32">;
type F32 = Expression<"f32">;
type V128 = Expression<"v128">;

/** A pointer in memory and the bytes to add to it. */
export interface Address {
  /** The address in memory. */
  readonly pointer: I32;
  /** Bytes to add to it. */
  readonly offset: number;
}

/** Names the byte `offset` bytes after `pointer`. */
export function at(pointer: I32, offset = 0): Address {
  return { pointer, offset };
}

const atomic = (opcode: number): Code => [0xfe, unsignedLeb(opcode)];
const simd = (opcode: number): Code => [0xfd, unsignedLeb(opcode)];

function binary<A extends ValueType, R extends ValueType>(result: R, opcode: Code) {
  return (a: Expression<A>, b: Expression<A>): Expression<R> =>
    expression(result, [a.code, b.code, opcode]);
}

function unary<A extends ValueType, R extends ValueType>(result: R, opcode: Code) {
  return (a: Expression<A>): Expression<R> => expression(result, [a.code, opcode]);
}

/** Alignment hint (log2 of bytes) and offset of a memory access. */
function memoryArgument(address: Address, align: number): { pointer: Code; immediate: Code } {
  const { pointer, offset } = address;
  if (offset >= 0) {
    return { pointer: pointer.code, immediate: [align, unsignedLeb(offset)] };
  }
  return {
    pointer: [pointer.code, 0x41, signedLeb(offset), 0x6a],
    immediate: [align, unsignedLeb(0)],
  };
}

function load<T extends ValueType>(type: T, opcode: Code, align: number) {
  return (address: Address): Expression<T> => {
    const { pointer, immediate } = memoryArgument(address, align);
    return expression(type, [pointer, opcode, immediate]);
  };
}

function store<T extends ValueType>(opcode: Code, align: number) {
  return (address: Address, value: Expression<T>): Statement => {
    const { pointer, immediate } = memoryArgument(address, align);
    return statement([pointer, value.code, opcode, immediate]);
  };
}

function loadLane(opcode: number, align: number) {
  return (address: Address, lane: number, rest: V128): V128 => {
    const { pointer, immediate } = memoryArgument(address, align);
    return expression("v128", [pointer, rest.code, simd(opcode), immediate, lane]);
  };
}

function storeLane(opcode: number, align: number) {
  return (address: Address, lane: number, value: V128): Statement => {
    const { pointer, immediate } = memoryArgument(address, align);
    return statement([pointer, value.code, simd(opcode), immediate, lane]);
  };
}

const i32Binary = (opcode: number) => binary<"i32", "i32">("i32", opcode);
const v128Binary = (opcode: number) => binary<"v128", "v128">("v128", simd(opcode));
const v128Unary = (opcode: number) => unary<"v128", "v128">("v128", simd(opcode));

/** Integer instructions; pointers are i32. */
export const i32 = {
  constant: (value: number): I32 => expression("i32", [0x41, signedLeb(value)]),
  add: i32Binary(0x6a),
  sub: i32Binary(0x6b),
  mul: i32Binary(0x6c),
  divU: i32Binary(0x6e),
  remU: i32Binary(0x70),
  and: i32Binary(0x71),
  shl: i32Binary(0x74),
  shrU: i32Binary(0x76),
  eqz: unary<"i32", "i32">("i32", 0x45),
  eq: i32Binary(0x46),
  ne: i32Binary(0x47),
  ltS: i32Binary(0x48),
  ltU: i32Binary(0x49),
  gtS: i32Binary(0x4a),
  gtU: i32Binary(0x4b),
  geS: i32Binary(0x4e),
  geU: i32Binary(0x4f),
  /** `whenTrue` where `condition` is not 0, else `whenFalse`; both are evaluated. */
  select: (condition: I32, whenTrue: I32, whenFalse: I32): I32 =>
    expression("i32", [whenTrue.code, whenFalse.code, condition.code, 0x1b]),
  load: load("i32", 0x28, 2),
  load8U: load("i32", 0x2d, 0),
  load8S: load("i32", 0x2c, 0),
  load16S: load("i32", 0x2e, 1),
  store: store<"i32">(0x36, 2),
} as const;

/** Scalar float instructions, for moving single elements only. */
export const f32 = {
  constant: (value: number): F32 => expression("f32", [0x43, floatBytes(value)]),
  load: load("f32", 0x2a, 2),
  store: store<"f32">(0x38, 2),
} as const;

/** Sequentially consistent access to words of a shared memory. */
export const atomicI32 = {
  load: load("i32", atomic(0x10), 2),
  store: store<"i32">(atomic(0x17), 2),
  /** Adds and gives the value from before. */
  add: (address: Address, value: I32): I32 => {
    const { pointer, immediate } = memoryArgument(address, 2);
    return expression("i32", [pointer, value.code, atomic(0x1e), immediate]);
  },
  /** Wakes up to `count` waiters; gives how many. */
  notify: (address: Address, count: I32): I32 => {
    const { pointer, immediate } = memoryArgument(address, 2);
    return expression("i32", [pointer, count.code, atomic(0x00), immediate]);
  },
  /** Sleeps while the word is `expected`, at most so many nanoseconds. */
  wait: (address: Address, expected: I32, nanoseconds: number): I32 => {
    const { pointer, immediate } = memoryArgument(address, 2);
    const timeout: Code = [0x42, signedLeb(nanoseconds)];
    return expression("i32", [pointer, expected.code, timeout, atomic(0x01), immediate]);
  },
} as const;

/** Evaluates an expression for its effect. */
export function drop(value: Expression<ValueType>): Statement {
  return statement([value.code, 0x1a]);
}

/** Ends the program with an error. */
export const trap: Statement = statement(0x00);

/** Vector instructions that do not depend on the lane type. */
export const v128 = {
  constant: (bytes: readonly number[]): V128 => expression("v128", [simd(12), bytes]),
  load: load("v128", simd(0), 2),
  load8x8S: load("v128", simd(1), 3),
  load8x8U: load("v128", simd(2), 3),
  load16x4S: load("v128", simd(3), 3),
  load32Splat: load("v128", simd(9), 2),
  load32Zero: load("v128", simd(92), 2),
  load64Zero: load("v128", simd(93), 2),
  load16Lane: loadLane(85, 1),
  load32Lane: loadLane(86, 2),
  store: store<"v128">(simd(11), 2),
  store32Lane: storeLane(90, 2),
  store64Lane: storeLane(91, 2),
  not: v128Unary(77),
  /** 1 where any bit is set, else 0. */
  anyTrue: unary<"v128", "i32">("i32", simd(83)),
  and: v128Binary(78),
  andNot: v128Binary(79),
  or: v128Binary(80),
  xor: v128Binary(81),
  /** Bits of `whenSet` where `mask` has ones, else bits of `whenClear`. */
  bitselect: (whenSet: V128, whenClear: V128, mask: V128): V128 =>
    expression("v128", [whenSet.code, whenClear.code, mask.code, simd(82)]),
  /** Bytes of `a` picked by the bytes of `places`; 0 where a place is beyond them. */
  swizzle8: v128Binary(14),
  /** Four 32-bit lanes picked out of the eight of `a` and `b`. */
  shuffle32: (a: V128, b: V128, lanes: readonly [number, number, number, number]): V128 =>
    expression("v128", [
      a.code,
      b.code,
      simd(13),
      lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte)),
    ]),
} as const;

/** Four 32-bit integer lanes, and the widening steps towards them. */
export const i32x4 = {
  constant: (a: number, b: number, c: number, d: number): V128 =>
    v128.constant([...new Uint8Array(Int32Array.of(a, b, c, d).buffer)]),
  splat: unary<"i32", "v128">("v128", simd(17)),
  extract: (value: V128, lane: number): I32 => expression("i32", [value.code, simd(27), lane]),
  add: v128Binary(174),
  sub: v128Binary(177),
  mul: v128Binary(181),
  minS: v128Binary(182),
  maxS: v128Binary(184),
  neg: v128Unary(161),
  abs: v128Unary(160),
  eq: v128Binary(55),
  ne: v128Binary(56),
  ltS: v128Binary(57),
  gtS: v128Binary(59),
  shl: (value: V128, bits: number): V128 =>
    expression("v128", [value.code, i32.constant(bits).code, simd(171)]),
  shrS: (value: V128, bits: number): V128 =>
    expression("v128", [value.code, i32.constant(bits).code, simd(172)]),
  shrU: (value: V128, bits: number): V128 =>
    expression("v128", [value.code, i32.constant(bits).code, simd(173)]),
  /** Truncates towards zero and saturates; NaN gives 0. */
  truncate: v128Unary(248),
  extendLowS: v128Unary(167),
  extendHighS: v128Unary(168),
  extendLowU: v128Unary(169),
  extendHighU: v128Unary(170),
  /** For each lane, the sum of the products of its two signed 16-bit lanes. */
  dotWords: v128Binary(186),
  /**
   * Adds to each lane of `sum` the products of its four signed bytes of `a` with those of `b`. With
   * bytes 0 .. 127 in `b` every machine gives the same.
   */
  relaxedDot: (a: V128, b: V128, sum: V128): V128 =>
    expression("v128", [a.code, b.code, sum.code, simd(0x113)]),
} as const;

/** Sixteen 8-bit lanes. */
export const i8x16 = {
  sub: v128Binary(113),
  /** Sixteen bytes out of two vectors of 16-bit lanes, saturating to -128 .. 127. */
  narrowS: v128Binary(101),
} as const;

/** Eight 16-bit lanes: on the way from bytes to integers. */
export const i16x8 = {
  constant: (value: number): V128 =>
    v128.constant([...new Uint8Array(new Int16Array(8).fill(value).buffer)]),
  add: v128Binary(142),
  /**
   * Per lane the products of its two signed bytes of `a` with those of `b`. With bytes 0 .. 127 in
   * `b` every machine gives the same.
   */
  relaxedDot: v128Binary(0x112),
  /** Eight 16-bit lanes out of two vectors of 32-bit lanes, saturating. */
  narrowS: v128Binary(133),
  shl: (value: V128, bits: number): V128 =>
    expression("v128", [value.code, i32.constant(bits).code, simd(139)]),
  shrU: (value: V128, bits: number): V128 =>
    expression("v128", [value.code, i32.constant(bits).code, simd(141)]),
  extendLowS: v128Unary(135),
  extendHighS: v128Unary(136),
  extendLowU: v128Unary(137),
  extendHighU: v128Unary(138),
} as const;

/** Four f32 lanes. */
export const f32x4 = {
  constant: (value: number): V128 => {
    const bytes = floatBytes(value);
    return v128.constant([...bytes, ...bytes, ...bytes, ...bytes]);
  },
  splat: unary<"f32", "v128">("v128", simd(19)),
  extract: (value: V128, lane: number): F32 => expression("f32", [value.code, simd(31), lane]),
  eq: v128Binary(65),
  lt: v128Binary(67),
  gt: v128Binary(68),
  le: v128Binary(69),
  ge: v128Binary(70),
  floor: v128Unary(104),
  nearest: v128Unary(106),
  abs: v128Unary(224),
  neg: v128Unary(225),
  sqrt: v128Unary(227),
  add: v128Binary(228),
  sub: v128Binary(229),
  mul: v128Binary(230),
  div: v128Binary(231),
  min: v128Binary(232),
  max: v128Binary(233),
  /** b < a ? b : a, one machine instruction: a NaN in `a` stays, one in `b` does not. */
  pmin: v128Binary(234),
  /** a < b ? b : a, likewise. */
  pmax: v128Binary(235),
  convertI32: v128Unary(250),
  /** a * b + c, rounded once or twice as the machine likes best, always in the same way. */
  relaxedMadd: (a: V128, b: V128, c: V128): V128 =>
    expression("v128", [a.code, b.code, c.code, simd(0x105)]),
} as const;
