import { attentionParts, attentionRecord } from "../../src/core/attention_layout.ts";
import { storedRows } from "../../src/core/half_layout.ts";
import type { AttentionGradSpec, AttentionStorage } from "../../src/plan/kernel_spec.ts";
import type { Backend } from "../../src/runtime/mod.ts";
import { BACKENDS, testOn } from "../conformance/backends.ts";
import {
  argumentsOf,
  HALF_SIZES,
  inputsOf,
  reference,
  SIZES,
  type Sizes,
  STORAGES,
  wordsOf,
} from "./attention_cases.ts";
import { runCommands } from "./run_gpu_kernel.ts";
import { assertClose, assertSameBits, type Words } from "./run_kernel.ts";

const WEBGPU = BACKENDS.filter(({ name }) => name === "webgpu");

/** More rows than a group looks through at once, heads of many sizes, slots listed twice. */
const LARGER: readonly Sizes[] = [
  { rows: 70, slots: 33, heads: 4, keyValueHeads: 4, headWidth: 16, extras: 2, scale: 0.25 },
  { rows: 131, slots: 20, heads: 5, keyValueHeads: 1, headWidth: 12, extras: 0, scale: 0.3 },
  { rows: 3, slots: 600, heads: 8, keyValueHeads: 1, headWidth: 64, extras: 70, scale: 0.125 },
  { rows: 6, slots: 40, heads: 2, keyValueHeads: 1, headWidth: 256, extras: 0, scale: 0.06 },
];

/** 0, 1, ..., count - 1. */
const places = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

function runWhole(
  backend: Backend,
  spec: Sizes,
  storage: AttentionStorage,
  inputs: readonly Words[],
): Promise<Float32Array> {
  const output = spec.rows * spec.heads * spec.headWidth;
  const args = places(inputs.length + 1);
  return runCommands(backend, { inputs, output }, [
    { spec: { family: "attention", ...spec, storage }, args },
  ]);
}

function runInParts(
  backend: Backend,
  spec: Sizes,
  storage: AttentionStorage,
  inputs: readonly Words[],
): Promise<Float32Array> {
  const output = spec.rows * spec.heads * spec.headWidth;
  const temporary = attentionParts(spec) * spec.rows * spec.heads * attentionRecord(spec);
  const operands = places(inputs.length);
  const [result, records] = [inputs.length, inputs.length + 1];
  return runCommands(backend, { inputs, output, temporary }, [
    { spec: { family: "attentionParts", ...spec, storage }, args: [...operands, records] },
    {
      spec: { family: "attentionJoin", ...spec, storage },
      args: [records, ...operands.slice(3), result],
    },
  ]);
}

for (const webgpu of WEBGPU) {
  testOn(webgpu, "attention by parts has the bits of attention", async (backend) => {
    for (const storage of STORAGES) {
      for (const [seed, spec] of [...SIZES, ...LARGER].entries()) {
        if (storage === "f16" && spec.headWidth % 8 > 0) continue;
        const inputs = argumentsOf(spec, inputsOf(spec, 100 * seed), storage);
        const whole = await runWhole(backend, spec, storage, inputs);
        const parts = await runInParts(backend, spec, storage, inputs);
        assertSameBits(parts, whole, `${storage} ${JSON.stringify(spec)}`);
      }
    }
  });

  testOn(
    webgpu,
    "attention of halves has the bits of the numbers that they are",
    async (backend) => {
      for (const [seed, spec] of HALF_SIZES.entries()) {
        const drawn = inputsOf(spec, 100 * seed);
        drawn.key.set([1e6, -1e6, 1e-7], 2);
        const [key, value] = [drawn.key, drawn.value].map((table) => storedRows(wordsOf(table)));
        const floats = argumentsOf(spec, { ...drawn, key, value });
        const expected = await runWhole(backend, spec, "f32", floats);
        const found = await runWhole(backend, spec, "f16", argumentsOf(spec, drawn, "f16"));
        assertSameBits(found, expected, JSON.stringify(spec));
      }
    },
  );

  testOn(webgpu, "slots seen as a range or one by one give the same bits", async (backend) => {
    const base: Sizes = { ...SIZES[3], rows: 1, slots: 300, extras: 0 };
    const drawn = inputsOf(base, 3);
    const run = (length: number, listed: number[]): Promise<Float32Array> => {
      const spec = { ...base, extras: listed.length };
      const rows = { start: Int32Array.of(2), end: Int32Array.of(2 + length) };
      const inputs = argumentsOf(spec, { ...drawn, ...rows, extra: Int32Array.from(listed) });
      return runWhole(backend, spec, "f32", inputs);
    };
    const expected = await run(290, []);
    const rest = [...places(30).map((i) => 262 + i)];
    assertSameBits(await run(260, rest), expected, "30 listed");
    assertSameBits(await run(260, rest.flatMap((slot) => [-1, slot])), expected, "with gaps");
  });

  testOn(webgpu, "attention and its gradients equal naive loops", async (backend) => {
    for (const [seed, spec] of [...SIZES, ...LARGER].entries()) {
      const drawn = inputsOf(spec, 100 * seed);
      const expected = reference(spec, drawn);
      const label = JSON.stringify(spec);
      const operands = argumentsOf(spec, drawn);
      const inputs = [...operands, drawn.dOut];
      const grad = (operand: AttentionGradSpec["operand"], output: number) =>
        runCommands(backend, { inputs, output }, [{
          spec: { family: "attentionGrad", operand, ...spec, storage: "f32" },
          args: places(inputs.length + 1),
        }]);
      assertClose(await runWhole(backend, spec, "f32", operands), expected.out, 2e-5, label);
      const each: Float32Array[] = [];
      for (const operand of ["query", "key", "value"] as const) {
        const found = await grad(operand, expected[operand].length);
        assertClose(found, expected[operand], 5e-5, `${operand} ${label}`);
        each.push(found);
      }
      const apart = Float32Array.from(each.flatMap((one) => [...one]));
      assertSameBits(await grad("all", apart.length), apart, `all ${label}`);
    }
  });
}
