import { assertEquals, assertThrows } from "@std/assert";
import * as core from "../../src/core/mod.ts";
import { type OpName, OutriderError, type Tensor } from "../../src/core/mod.ts";

const f32 = (...shape: number[]): Tensor => core.input(shape, "f32");
const i32 = (...shape: number[]): Tensor => core.input(shape, "i32");
const bool = (...shape: number[]): Tensor => core.input(shape, "bool");
const packed = core.input([32, 64], "packed_q8_0");

/** The operation on exactly these operands, without the broadcasting of the functions. */
const raw =
  (name: core.UnaryName | core.BinaryName | "where", ...operands: Tensor[]) => (): Tensor =>
    core.node({ name, attributes: {} }, operands);

function attention(shapes: {
  readonly query?: Tensor;
  readonly key?: Tensor;
  readonly value?: Tensor;
  readonly start?: Tensor;
  readonly end?: Tensor;
  readonly extra?: Tensor;
}): () => Tensor {
  const [query, key, value] = [f32(3, 4, 8), f32(5, 2, 8), f32(5, 2, 8)];
  return () => core.attention({ query, key, value, start: i32(3), end: i32(3), ...shapes });
}

function attentionGrad(cotangent: Tensor, table: Tensor = f32(5, 2, 8)): () => Tensor {
  const op = { name: "attentionGrad", attributes: { scale: 1, operand: "key" } } as const;
  const operands = [f32(3, 4, 8), table, table, i32(3), i32(3), cotangent];
  return () => core.node(op, operands);
}

const badUnary = (name: core.UnaryName) => [raw(name, bool(2)), raw(name, packed)];
const badFloatUnary = (name: core.UnaryName) => [...badUnary(name), raw(name, i32(2))];
const badBinary = (name: core.BinaryName) => [
  raw(name, f32(2), f32(3)),
  raw(name, f32(2), i32(2)),
  raw(name, f32(2)),
  raw(name, packed, packed),
];

/** Uses of every operation that its rule must refuse. */
const REFUSED: { readonly [name in OpName]: readonly (() => Tensor)[] } = {
  input: [() => f32(-1), () => f32(1.5), () => f32(NaN), () => f32(2, 2 ** 60)],
  full: [
    () => core.full([-2], 0),
    () => core.full([2], 1.5, "i32"),
    () => core.full([2], 2 ** 31, "i32"),
    () => core.full([2], 2, "bool"),
  ],
  data: [() => core.constant(new Float32Array(5), [2, 3])],
  iota: [() => core.iota([2], 1), () => core.iota([], 0), () => core.iota([2, -1], 0)],
  identity: [],
  stopGradient: [],
  after: [() => core.after(packed, [f32(2)]), () => core.after(f32(2), [packed])],
  rematerialize: [],
  withGradients: [
    () => core.withGradients(f32(1), []),
    () => core.withGradients(i32(), []),
    () => core.withGradients(f32(), [{ of: f32(2), gradient: f32(3) }]),
    () => core.withGradients(f32(), [{ of: i32(2), gradient: i32(2) }]),
    () => core.node({ name: "withGradients", attributes: {} }, [f32(), f32(2)]),
  ],
  neg: badUnary("neg"),
  abs: badUnary("abs"),
  exp: badFloatUnary("exp"),
  log: badFloatUnary("log"),
  sqrt: badFloatUnary("sqrt"),
  sin: badFloatUnary("sin"),
  cos: badFloatUnary("cos"),
  tanh: badFloatUnary("tanh"),
  floor: badFloatUnary("floor"),
  lowHalf: [...badUnary("lowHalf"), raw("lowHalf", f32(2))],
  highHalf: [...badUnary("highHalf"), raw("highHalf", f32(2))],
  not: [raw("not", f32(2)), raw("not", i32(2))],
  add: [...badBinary("add"), raw("add", bool(2), bool(2))],
  sub: badBinary("sub"),
  mul: badBinary("mul"),
  div: [...badBinary("div"), raw("div", i32(2), i32(2))],
  max: badBinary("max"),
  min: badBinary("min"),
  less: [...badBinary("less"), raw("less", bool(2), bool(2))],
  equal: badBinary("equal"),
  packHalves: [...badBinary("packHalves"), raw("packHalves", i32(2), i32(2))],
  and: [...badBinary("and"), raw("and", i32(2), i32(2))],
  or: [...badBinary("or"), raw("or", f32(2), f32(2))],
  where: [
    raw("where", f32(2), f32(2), f32(2)),
    raw("where", bool(2), f32(2), i32(2)),
    raw("where", bool(3), f32(2), f32(2)),
  ],
  cast: [() => core.cast(packed, "f32")],
  reshape: [
    () => core.reshape(f32(2, 3), [4]),
    () => core.reshape(f32(2, 3), [4, -1]),
    () => core.reshape(f32(2, 3), [-2, -3]),
    () => core.reshape(f32(0), [0, -1]),
    () => core.reshape(packed, [64, 32]),
  ],
  permute: [
    () => core.permute(f32(2, 3), [0]),
    () => core.permute(f32(2, 3), [0, 0]),
    () => core.permute(f32(2, 3), [1, 2]),
    () => core.transpose(f32(3)),
    () => core.transpose(packed),
  ],
  broadcast: [
    () => core.broadcastTo(f32(2, 3), [2, 4]),
    () => core.broadcastTo(f32(2, 3), [3]),
    () => core.broadcastTo(f32(1), [2.5]),
  ],
  slice: [
    () => core.slice(f32(4), [1], [4]),
    () => core.slice(f32(4), [-1], [2]),
    () => core.slice(f32(4), [0.5], [2]),
    () => core.slice(f32(4), [0], [-2]),
    () => core.slice(f32(4, 4), [0], [2]),
    () => core.sliceAxis(f32(4), 1, 0, 1),
  ],
  pad: [
    () => core.pad(f32(4), [-1], [0]),
    () => core.pad(f32(4), [0.5], [0.5]),
    () => core.pad(f32(4), [0, 0], [0, 0]),
  ],
  concat: [
    () => core.concat([], 0),
    () => core.concat([f32(2, 3), f32(3, 3)], 1),
    () => core.concat([f32(2, 3), i32(2, 3)], 1),
    () => core.concat([f32(2, 3), f32(2)], 0),
    () => core.concat([f32(2, 3), f32(2, 3)], 2),
  ],
  sum: [() => core.sum(bool(2)), () => core.sum(f32(2), [1]), () => core.sum(f32(2), [0, 0])],
  reduceMax: [() => core.maxKeeping(i32(2)), () => core.maxKeeping(f32(2), [-2])],
  argmax: [() => core.argmax(i32(2)), () => core.argmax(f32(2), 1), () => core.argmax(f32())],
  matmul: [
    () => core.matmul(f32(2, 3), f32(2, 3)),
    () => core.matmul(f32(3), f32(3)),
    () => core.matmul(f32(2, 3), i32(3, 2)),
    () => core.matmul(f32(2, 2, 3), f32(3, 2)),
    () => core.matmul(f32(2, 2, 3), f32(1, 3, 2)),
    () => core.matmul(f32(2, 64), packed),
  ],
  dequantize: [() => core.dense(i32(2, 2)), () => core.dense(core.input([4], "packed_f32"))],
  gather: [
    () => core.gather(f32(4), i32(2)),
    () => core.gather(f32(4, 2), f32(2)),
    () => core.gather(f32(4, 2), i32(2, 1)),
    () => core.gather(packed, i32(2)),
  ],
  scatter: [
    () => core.scatterAdd(f32(4, 2), i32(3), f32(2, 2)),
    () => core.scatterAdd(f32(4, 2), i32(3), f32(3, 3)),
    () => core.scatterSet(f32(4, 2), i32(3), i32(3, 2)),
    () => core.scatterAdd(bool(4, 2), i32(3), bool(3, 2)),
    () => core.scatterSet(packed, i32(3), f32(3, 64)),
  ],
  attention: [
    attention({ query: f32(3, 3, 8) }),
    attention({ query: f32(3, 4, 4) }),
    attention({ query: f32(3, 32) }),
    attention({ key: f32(5, 4, 8) }),
    attention({ key: f32(5, 0, 8), value: f32(5, 0, 8) }),
    attention({ value: f32(6, 2, 8) }),
    attention({ key: i32(5, 2, 4) }),
    attention({ key: i32(5, 2, 8), value: i32(5, 2, 8) }),
    attention({ query: f32(3, 4, 4), key: i32(5, 2, 2), value: i32(5, 2, 2) }),
    attention({ start: f32(3) }),
    attention({ end: i32(4) }),
    attention({ extra: i32(3) }),
    attention({ extra: i32(2, 2) }),
  ],
  attentionGrad: [
    attentionGrad(f32(3, 4, 4)),
    attentionGrad(i32(3, 4, 8)),
    attentionGrad(f32(3, 4, 8), i32(5, 2, 4)),
  ],
};

for (const [name, uses] of Object.entries(REFUSED)) {
  if (uses.length === 0) continue;
  Deno.test(`${name}: operands that do not fit are refused with one line`, () => {
    uses.forEach((use, i) => {
      const error = assertThrows(use, OutriderError, "expected ", `case ${i}`);
      assertEquals(error.message.includes("\n"), false);
    });
  });
}

/** Results of every operation that has a rule of its own for shape or type. */
const GIVEN: readonly (readonly [Tensor, string])[] = [
  [core.add(f32(2, 1), f32(3)), "f32[2, 3]"],
  [core.add(f32(0), f32(1)), "f32[0]"],
  [core.add(i32(2), 1), "i32[2]"],
  [core.less(i32(2), 3), "bool[2]"],
  [core.equal(bool(2), bool(2)), "bool[2]"],
  [core.after(i32(2, 3), [f32(4)]), "i32[2, 3]"],
  [core.checkpoint((x: Tensor) => core.less(x, 0))(f32(2, 3)), "bool[2, 3]"],
  [core.withGradients(f32(), [{ of: f32(2), gradient: f32(2) }]), "f32[]"],
  [core.where(bool(2, 1), f32(3), 0), "f32[2, 3]"],
  [core.where(bool(2), i32(2), 1), "i32[2]"],
  [core.cast(bool(2), "f32"), "f32[2]"],
  [core.iota([2, 3], -1), "i32[2, 3]"],
  [core.constant(Int32Array.of(1, 2)), "i32[2]"],
  [core.reshape(f32(2, 6), [3, -1]), "f32[3, 4]"],
  [core.reshape(f32(1, 1), []), "f32[]"],
  [core.permute(f32(2, 3, 4), [2, 0, 1]), "f32[4, 2, 3]"],
  [core.broadcastTo(f32(3), [2, 0, 3]), "f32[2, 0, 3]"],
  [core.slice(f32(4, 5), [1, 5], [2, 0]), "f32[2, 0]"],
  [core.pad(f32(2, 3), [1, 0], [0, 2]), "f32[3, 5]"],
  [core.concat([i32(2, 3), i32(2, 0), i32(2, 1)], -1), "i32[2, 4]"],
  [core.sum(i32(2, 3)), "i32[]"],
  [core.sumKeeping(f32(2, 3), [0]), "f32[1, 3]"],
  [core.argmax(f32(2, 3)), "i32[2]"],
  [core.argmax(f32(2, 3), 0), "i32[3]"],
  [core.matmul(f32(7, 2, 3), f32(7, 3, 4)), "f32[7, 2, 4]"],
  [core.linear(f32(5, 64), packed), "f32[5, 32]"],
  [core.gather(bool(4, 2), i32(3)), "bool[3, 2]"],
  [core.scatterAdd(i32(4, 2), i32(3), i32(3, 2)), "i32[4, 2]"],
  [attention({})(), "f32[3, 4, 8]"],
  [attention({ key: i32(5, 2, 4), value: i32(5, 2, 4) })(), "f32[3, 4, 8]"],
  [attentionGrad(f32(3, 4, 8))(), "f32[5, 2, 8]"],
  [core.packHalves(f32(2, 1), 1), "i32[2, 1]"],
  [core.lowHalf(i32(2)), "f32[2]"],
  [core.toHalves(f32(3, 2, 24)), "i32[3, 2, 12]"],
  [core.fromHalves(i32(3, 0, 4)), "f32[3, 0, 8]"],
];

Deno.test("shapes and types of results follow the rules", () => {
  const found = GIVEN.map(([tensor]) => `${tensor.type}${core.shapeText(tensor.shape)}`);
  assertEquals(found, GIVEN.map(([, expected]) => expected));
});

Deno.test("operands whose sizes differ and are not 1 do not broadcast", () => {
  assertThrows(() => core.add(f32(2, 3), f32(2)), OutriderError, "broadcast");
  assertThrows(() => core.where(bool(4), f32(3), 0), OutriderError, "broadcast");
});

Deno.test("rows that are no whole blocks of halves are refused", () => {
  for (const make of [() => core.toHalves(f32(2, 12)), () => core.fromHalves(i32(2, 2))]) {
    assertThrows(make, OutriderError, "multiple");
  }
  assertThrows(() => core.toHalves(f32()), OutriderError, "multiple");
});

Deno.test("a tensor cannot be changed after it was made", () => {
  const x = f32(2);
  assertThrows(() => Object.assign(x, { shape: [3] }), TypeError);
});

Deno.test("a constant keeps its values when the caller's array changes", () => {
  const values = Float32Array.of(1, 2);
  const x = core.constant(values);
  values[0] = 9;
  assertEquals("data" in x.op.attributes && x.op.attributes.data, Float32Array.of(1, 2));
});

Deno.test("moving nothing makes no node", () => {
  const x = f32(2, 3);
  assertEquals(core.reshape(x, [2, -1]), x);
  assertEquals(core.permute(x, [0, 1]), x);
  assertEquals(core.broadcastTo(x, [2, 3]), x);
  assertEquals(core.slice(x, [0, 0], [2, 3]), x);
  assertEquals(core.pad(x, [0, 0], [0, 0]), x);
  assertEquals(core.cast(x, "f32"), x);
  assertEquals(core.concat([x], 0), x);
  assertEquals(core.after(x, []), x);
});
