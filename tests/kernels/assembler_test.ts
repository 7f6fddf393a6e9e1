import { assertEquals } from "@std/assert";
import wabt from "wabt";
import { planModule } from "../../src/backends/wasm/plan_module.ts";
import { buildFunction, type FunctionBuilder, type Local } from "../../kernels/wasm/assembler.ts";
import { flatten, signedLeb, unsignedLeb } from "../../kernels/wasm/assembler_code.ts";
import { MINIMUM_PAGES, moduleBytes } from "../../kernels/wasm/assembler_module.ts";
import { at, i32 } from "../../kernels/wasm/assembler_ops.ts";
import { type Features, generateKernel } from "../../kernels/wasm/mod.ts";
import type { KernelSpec } from "../../src/plan/kernel_spec.ts";

/** Runs a function body over the words of a small memory. */
function runOver(
  words: number[],
  write: (builder: FunctionBuilder, memory: Local<"i32">, argument: Local<"i32">) => void,
  argument = 0,
): number[] {
  const built = buildFunction(2, (builder, [memory, value]) => write(builder, memory, value));
  const bytes = moduleBytes({
    memory: "unshared",
    imports: [],
    functions: [{ name: "run", parameters: 2, ...built }],
  });
  const memory = new WebAssembly.Memory({ initial: MINIMUM_PAGES, maximum: 65536 });
  const view = new Int32Array(memory.buffer, 0, words.length);
  view.set(words);
  const { run } =
    new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports;
  if (typeof run !== "function") throw new Error("no function");
  run(0, argument);
  return [...view];
}

Deno.test("LEB128 is that of the specification", () => {
  assertEquals(unsignedLeb(0), [0]);
  assertEquals(unsignedLeb(624485), [0xe5, 0x8e, 0x26]);
  assertEquals(unsignedLeb(2 ** 32 - 1), [0xff, 0xff, 0xff, 0xff, 0x0f]);
  assertEquals(signedLeb(-123456), [0xc0, 0xbb, 0x78]);
  assertEquals(signedLeb(63), [63]);
  assertEquals(signedLeb(64), [0xc0, 0]);
  assertEquals(signedLeb(-64), [0x40]);
  assertEquals(signedLeb(-(2 ** 31)), [0x80, 0x80, 0x80, 0x80, 0x78]);
  assertEquals([...flatten([1, [2, [3, []]], 4])], [1, 2, 3, 4]);
});

Deno.test("a stream visits every step once, in order, for any count and unrolling", () => {
  for (const isStatic of [true, false]) {
    for (let count = 0; count <= 9; count++) {
      for (let unroll = 1; unroll <= 4; unroll++) {
        const words = runOver(Array<number>(11).fill(0), (builder, memory, argument) => {
          const pointer = builder.local(memory);
          const number = builder.local(i32.constant(1));
          const pointers = [{ pointer, bytes: 4 }];
          builder.stream(isStatic ? count : argument, pointers, unroll, (step) => {
            builder.emit(i32.store(at(pointer, 4 * step), number));
            builder.advance(number, 1);
          });
          builder.emit(i32.store(at(pointer), i32.constant(-1)));
        }, count);
        const expected = Array.from(
          { length: 11 },
          (_, i) => i < count ? i + 1 : i === count ? -1 : 0,
        );
        assertEquals(words, expected, `${count} by ${unroll}`);
      }
    }
  }
});

Deno.test("repeat, when and loopWhile run their bodies as often as they say", () => {
  const words = runOver([0, 0, 0, 0, 0], (builder, memory, argument) => {
    const count = (index: number): void =>
      builder.emit(
        i32.store(at(memory, 4 * index), i32.add(i32.load(at(memory, 4 * index)), i32.constant(1))),
      );
    builder.repeat(0, () => count(0));
    builder.repeat(argument, () => count(1));
    builder.repeat(
      3,
      (index) => builder.when(i32.eq(index, i32.constant(1)), () => count(2), () => count(3)),
    );
    const left = builder.local(i32.constant(6));
    builder.loopWhile(i32.gtS(left, i32.constant(2)), () => {
      count(4);
      builder.advance(left, -1);
    });
  }, 7);
  assertEquals(words, [0, 7, 1, 2, 4]);
});

Deno.test("an address takes any constant offset", () => {
  const words = runOver([5, 6, 7], (builder, memory) => {
    const end = builder.local(i32.add(memory, i32.constant(8)));
    builder.emit(i32.store(at(end, -8), i32.load(at(end, -4))));
    builder.emit(i32.store(at(end, -4), i32.load(at(end))));
  });
  assertEquals(words, [6, 7, 7]);
});

const MATRIX = { offset: 0, batchStride: 0, rowStride: 70, columnStride: 1 };
const LINE = { type: "f32", strides: [1], offset: 0 } as const;
const SIZES = { rows: 3, slots: 9, heads: 4, keyValueHeads: 2, headWidth: 6, extras: 2, scale: 1 };
const LOAD = { op: "load", access: 0, type: "f32" } as const;

/** One spec per family, and per packed type where that changes the code. */
const SPECS: readonly KernelSpec[] = [
  {
    family: "map",
    shape: [37],
    inputs: [LINE],
    output: LINE,
    body: [
      LOAD,
      ...(["exp", "log", "sin", "cos", "tanh", "sqrt", "floor", "abs", "neg"] as const).map((
        op,
        i,
      ) => ({ op, args: [i], type: "f32" }) as const),
    ],
  },
  ...(["sum", "max", "argmax"] as const).map((combine): KernelSpec => ({
    family: "reduce",
    shape: [5, 37],
    reduced: 1,
    inputs: [{ type: "f32", strides: [37, 1], offset: 0 }],
    output: LINE,
    body: [LOAD],
    combine,
  })),
  { family: "matmul", batch: 1, m: 13, n: 21, k: 70, left: MATRIX, right: MATRIX },
  ...(["packed_f32", "packed_f16", "packed_q8_0", "packed_q4_0", "packed_q4_1"] as const).flatMap(
    (weights): KernelSpec[] => [
      { family: "packedMatmul", weights, m: 4, n: 37, k: 64 },
      { family: "dequantize", weights, n: 37, k: 64 },
      { family: "gather", table: weights, tableRows: 37, rows: 3, width: 64 },
    ],
  ),
  ...(["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"] as const).flatMap((stored) =>
    (["packed_f32", "packed_f16", "packed_q4_1", "integer_q8_0", "integer_q4_0"] as const).map(
      (weights): KernelSpec => ({ family: "pack", stored, weights }),
    )
  ),
  { family: "gather", table: "f32", tableRows: 37, rows: 3, width: 65 },
  { family: "scatter", mode: "add", type: "f32", tableRows: 37, rows: 3, width: 65 },
  { family: "attention", ...SIZES, storage: "f32" },
  { family: "attention", ...SIZES, headWidth: 16, storage: "f16" },
  ...(["query", "key", "value"] as const).map((operand): KernelSpec => ({
    family: "attentionGrad",
    operand,
    ...SIZES,
    storage: "f32",
  })),
];

/** Validates with features, an argument that wabt takes and its type declarations forget. */
function validate(module: { validate(): void }, enabled: Readonly<Record<string, boolean>>): void {
  Reflect.apply(module.validate, module, [enabled]);
}

Deno.test("every family's module is valid for an independent validator", async () => {
  const tools = await wabt();
  const enabled = { simd: true, threads: true, relaxed_simd: true, bulk_memory: true };
  for (const memory of ["shared", "unshared"] as const) {
    for (const relaxedMadd of ["present", "absent"] as const) {
      const features: Features = { memory, relaxedMadd, byteDot: "exact", vectors: "joined" };
      for (const spec of SPECS) {
        const { bytes } = generateKernel(spec, features);
        const module = tools.readWasm(bytes, enabled);
        validate(module, enabled);
        const text = module.toText({});
        assertEquals(
          text.includes("relaxed_madd"),
          relaxedMadd === "present" && usesProducts(spec),
          text,
        );
        module.destroy();
      }
    }
  }
  const call = { kernel: 0, args: [0, 1], units: 9, grain: 2 };
  const stages = [{ shared: [call], tail: [] }, { shared: [call], tail: [call, call] }];
  for (const threads of [1, 2]) {
    const parts = { parameters: [5], stages, threads, team: 64, scratchBytes: 64 };
    const module = tools.readWasm(planModule({ memory: "shared", ...parts }), enabled);
    validate(module, enabled);
    module.destroy();
  }
});

/** Whether a family multiplies and adds, and so depends on the fused instruction. */
function usesProducts({ family }: KernelSpec): boolean {
  return !["reduce", "dequantize", "pack", "gather", "scatter"].includes(family);
}
