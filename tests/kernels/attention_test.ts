import { assertEquals } from "@std/assert";
import { attentionParts, attentionRecord } from "../../src/core/attention_layout.ts";
import { storedRows } from "../../src/core/half_layout.ts";
import type { AttentionGradSpec, AttentionSpec } from "../../src/plan/kernel_spec.ts";
import {
  argumentsOf,
  HALF_SIZES,
  inputsOf,
  reference,
  SIZES,
  type Sizes,
  STORAGES,
  WIDTHS,
  wordsOf,
} from "./attention_cases.ts";
import { assertClose, assertSameBits, FEATURE_SETS, kernelRunner, SPLITS } from "./run_kernel.ts";

Deno.test("words of halves are read back in order, what is not finite as 65536 and more", () => {
  const values = Float32Array.from({ length: 24 }, (_, i) => i - 7.5);
  assertEquals(storedRows(wordsOf(values)), values);
  const odd = Float32Array.of(Infinity, -Infinity, 1e6, -65504, 2 ** -24, 0, NaN, 1);
  const read = [65536, -65536, 65536, -65504, 2 ** -24, 0, 98304, 1];
  assertEquals([...storedRows(wordsOf(odd))], read);
});

/** From here on the products of f32 keys are summed in two chains, those of halves in one. */
const WIDE = 64;

for (const features of FEATURE_SETS) {
  const label = `fused multiply-add ${features.relaxedMadd}`;

  Deno.test(`attention and its gradients equal naive loops, in any split, ${label}`, () => {
    for (const [seed, spec] of SIZES.entries()) {
      const inputs = inputsOf(spec, 100 * seed);
      const expected = reference(spec, inputs);
      const args = argumentsOf(spec, inputs);
      for (const split of SPLITS) {
        const out = new Float32Array(inputs.query.length).fill(NaN);
        kernelRunner({ family: "attention", ...spec, storage: "f32" }, features)(
          [...args, out],
          split,
        );
        assertClose(out, expected.out, 2e-5, `attention ${JSON.stringify(spec)}`);
        for (const operand of ["query", "key", "value"] as const) {
          const grad: AttentionGradSpec = {
            family: "attentionGrad",
            operand,
            ...spec,
            storage: "f32",
          };
          const result = new Float32Array(inputs[operand].length).fill(NaN);
          kernelRunner(grad, features)([...args, inputs.dOut, result], split);
          assertClose(result, expected[operand], 5e-5, `${operand} ${JSON.stringify(spec)}`);
        }
        const joint: AttentionGradSpec = {
          family: "attentionGrad",
          operand: "all",
          ...spec,
          storage: "f32",
        };
        const wanted = [...expected.query, ...expected.key, ...expected.value];
        const all = new Float32Array(wanted.length).fill(NaN);
        kernelRunner(joint, features)([...args, inputs.dOut, all], split);
        assertClose(all, Float32Array.from(wanted), 5e-5, `all ${JSON.stringify(spec)}`);
      }
    }
  });

  Deno.test(`halves give what the f32 numbers that they are give, in any split, ${label}`, () => {
    for (const [seed, spec] of HALF_SIZES.entries()) {
      const drawn = inputsOf(spec, 100 * seed);
      drawn.key.set([1e6, -1e6, 1e-7], 2);
      const halves = argumentsOf(spec, drawn, "f16");
      const [key, value] = [drawn.key, drawn.value].map((table) => storedRows(wordsOf(table)));
      const floats = argumentsOf(spec, { ...drawn, key, value });
      const [out, expected] = [0, 1].map(() => new Float32Array(drawn.query.length).fill(NaN));
      kernelRunner({ family: "attention", ...spec, storage: "f32" }, features)(
        [...floats, expected],
      );
      for (const split of SPLITS) {
        const run = kernelRunner({ family: "attention", ...spec, storage: "f16" }, features);
        run([...halves, out.fill(NaN)], split);
        if (spec.headWidth < WIDE) assertSameBits(out, expected, JSON.stringify(spec));
        else assertClose(out, expected, 2e-6, JSON.stringify(spec));
      }
    }
  });

  for (const storage of STORAGES) {
    const sizes = storage === "f16" ? HALF_SIZES : SIZES;

    Deno.test(`a row's attention has the same bits alone and among others, ${storage}, ${label}`, () => {
      for (const sizes of WIDTHS) {
        const spec: Sizes = { ...sizes, rows: 16 };
        const inputs = inputsOf(spec, 7);
        const width = spec.heads * spec.headWidth;
        const together = new Float32Array(16 * width);
        kernelRunner({ family: "attention", ...spec, storage }, features)([
          ...argumentsOf(spec, inputs, storage),
          together,
        ]);
        for (let row = 0; row < 16; row++) {
          const one = {
            ...inputs,
            query: inputs.query.slice(row * width, (row + 1) * width),
            start: inputs.start.slice(row, row + 1),
            end: inputs.end.slice(row, row + 1),
            extra: inputs.extra.slice(row * spec.extras, (row + 1) * spec.extras),
          };
          const out = new Float32Array(width);
          const alone: AttentionSpec = { family: "attention", ...spec, rows: 1, storage };
          kernelRunner(alone, features)([...argumentsOf(alone, one, storage), out]);
          assertSameBits(together.subarray(row * width, (row + 1) * width), out, `row ${row}`);
        }
      }
    });

    Deno.test(`attention by parts has the bits of attention, in any split, ${storage}, ${label}`, () => {
      for (const [seed, spec] of sizes.entries()) {
        const inputs = inputsOf(spec, 100 * seed);
        const args = argumentsOf(spec, inputs, storage);
        const expected = new Float32Array(inputs.query.length).fill(NaN);
        kernelRunner({ family: "attention", ...spec, storage }, features)([...args, expected]);
        const records = attentionParts(spec) * spec.rows * spec.heads * attentionRecord(spec);
        for (const split of SPLITS) {
          const parts = new Float32Array(records).fill(NaN);
          kernelRunner({ family: "attentionParts", ...spec, storage }, features)(
            [...args, parts],
            split,
          );
          const out = new Float32Array(inputs.query.length).fill(NaN);
          const join = kernelRunner({ family: "attentionJoin", ...spec, storage }, features);
          join([parts, ...args.slice(3), out], split);
          assertSameBits(out, expected, JSON.stringify(spec));
        }
      }
    });

    Deno.test(`slots seen as a range or one by one give the same bits, ${storage}, ${label}`, () => {
      const slots = 300;
      const run = (base: Sizes, length: number, extras: number[]): Float32Array => {
        const inputs = inputsOf(base, 3);
        const width = base.heads * base.headWidth;
        const spec: AttentionSpec = {
          family: "attention",
          ...base,
          extras: extras.length,
          storage,
        };
        const out = new Float32Array(width);
        const rows = { start: Int32Array.of(2), end: Int32Array.of(2 + length) };
        const here = { ...inputs, ...rows, extra: Int32Array.from(extras) };
        kernelRunner(spec, features)([...argumentsOf(spec, here, storage), out]);
        return out;
      };
      const few = Array.from({ length: 33 }, (_, i) => i + 1);
      for (const count of [...few, 127, 128, 129, 130, 131, 256, 257, 260]) {
        const base: Sizes = { ...WIDTHS[count % 2], rows: 1, slots, extras: 0 };
        const expected = run(base, count, []);
        for (let tail = 1; tail <= Math.min(count, 6); tail++) {
          const ends = Array.from({ length: tail }, (_, i) => 2 + count - tail + i);
          const found = run(base, count - tail, [...ends, -1]);
          assertSameBits(found, expected, `${tail} of ${count} apart`);
        }
      }
    });
  }
}

/** Every way to multiply and add, for vectors apart and joined. */
const IN_PAIRS = FEATURE_SETS.filter(({ vectors }) => vectors === "joined").map((joined) =>
  [joined, { ...joined, vectors: "apart" }] as const
);

Deno.test("attention and its gradients have the same bits for joined vectors and for others", () => {
  for (const [seed, spec] of SIZES.entries()) {
    for (const storage of spec.headWidth % 8 === 0 ? STORAGES : ["f32"] as const) {
      const inputs = inputsOf(spec, 100 * seed);
      const args = argumentsOf(spec, inputs, storage);
      for (const pair of IN_PAIRS) {
        const [joined, apart] = pair.map((features) => {
          const out = new Float32Array(inputs.query.length).fill(NaN);
          kernelRunner({ family: "attention", ...spec, storage }, features)([...args, out]);
          return out;
        });
        assertSameBits(joined, apart, `${storage} ${JSON.stringify(spec)}`);
        if (storage === "f16") continue;
        const length = inputs.query.length + inputs.key.length + inputs.value.length;
        const [together, alone] = pair.map((features) => {
          const out = new Float32Array(length).fill(NaN);
          const grad = { family: "attentionGrad", operand: "all", ...spec, storage } as const;
          kernelRunner(grad, features)([...args, inputs.dOut, out]);
          return out;
        });
        assertSameBits(together, alone, `gradients ${JSON.stringify(spec)}`);
      }
    }
  }
});
