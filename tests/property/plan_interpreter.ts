/**
 * A backend that runs a plan's commands in plain loops, as `kernel_spec.ts` defines them.
 *
 * The reference backend evaluates the graph and never looks at the commands; this one looks at
 * nothing else. Where the two differ, the planner is wrong. Memory starts as NaN, and a kernel that
 * would read what it has already overwritten is an error.
 */
import { OutriderError } from "../../src/core/errors.ts";
import { input } from "../../src/core/movement_ops.ts";
import { dequantizeRows, quantizeRows } from "../../src/core/quantized_rows.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { unpackMatrix } from "../../src/core/unpack.ts";
import type {
  Access,
  AttentionGradSpec,
  AttentionPartsSpec,
  AttentionSpec,
  Instruction,
  KernelSpec,
  MapSpec,
  MatrixAccess,
  ReduceSpec,
} from "../../src/plan/kernel_spec.ts";
import type { BufferHome, Plan } from "../../src/plan/plan.ts";
import type { Allocation, Backend } from "../../src/runtime/backend.ts";
import { evaluateAttentionGrad } from "../../src/backends/reference/evaluate_attention.ts";
import {
  evaluateBinary,
  evaluateCast,
  evaluateUnary,
  evaluateWhere,
} from "../../src/backends/reference/evaluate_elementwise.ts";
import {
  contiguous,
  copyWalk,
  evaluateIota,
} from "../../src/backends/reference/evaluate_movement.ts";
import {
  evaluateArgmax,
  evaluateMatmul,
  evaluateMax,
  evaluateSum,
} from "../../src/backends/reference/evaluate_reduction.ts";
import { evaluateGather, evaluateScatter } from "../../src/backends/reference/evaluate_table.ts";
import { type DType, isInteger, isPacked } from "../../src/core/dtype.ts";
import { storedRows } from "../../src/core/half_layout.ts";
import { BINARY, type BinaryName, UNARY, type UnaryName } from "../../src/core/elementwise.ts";
import { runAttention, runAttentionJoin, runAttentionParts } from "./attention_in_parts.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Numbers = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

function floats(bytes: Bytes): Float32Array<ArrayBuffer> {
  return new Float32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4));
}

function integers(bytes: Bytes): Int32Array<ArrayBuffer> {
  return new Int32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4));
}

function elements(bytes: Bytes, type: DType): Numbers {
  return type === "f32" ? floats(bytes) : integers(bytes);
}

function made(type: DType, length: number): Numbers {
  return type === "f32" ? new Float32Array(length) : new Int32Array(length);
}

/** Memory of `bytes` bytes in which every f32 is NaN. */
function poisoned(bytes: number): Bytes {
  const words = new Uint32Array(Math.ceil(bytes / 4)).fill(0x7fc0dead);
  return new Uint8Array(words.buffer, 0, bytes);
}

function isUnary(op: string): op is UnaryName {
  return op in UNARY;
}

function isBinary(op: string): op is BinaryName {
  return op in BINARY;
}

/** Every step of a body over the whole index space; the last one is the result. */
function runBody(spec: MapSpec | ReduceSpec, args: readonly Bytes[]): Numbers {
  const { shape } = spec;
  const found: Numbers[] = [];
  const apply = (step: Instruction, out: Numbers): void => {
    if (step.op === "load") {
      const access = spec.inputs[step.access];
      copyWalk(shape, elements(args[step.access], access.type), access, out, contiguous(shape));
    } else if (step.op === "constant") out.fill(step.value);
    else if (step.op === "iota") evaluateIota(shape, step.axis, out);
    else {
      const operands = step.args.map((index) => found[index]);
      if (step.op === "where") evaluateWhere(operands, out);
      else if (step.op === "cast") evaluateCast(step.type, operands[0], out);
      else if (isUnary(step.op)) evaluateUnary(step.op, operands[0], out);
      else if (isBinary(step.op)) evaluateBinary(step.op, operands[0], operands[1], out);
    }
  };
  for (const step of spec.body) {
    const out = made(step.type, sizeOf(shape));
    apply(step, out);
    found.push(out);
  }
  return found[found.length - 1];
}

function store(shape: readonly number[], values: Numbers, target: Bytes, access: Access): void {
  copyWalk(shape, values, contiguous(shape), elements(target, access.type), access);
}

function runReduce(spec: ReduceSpec, args: readonly Bytes[], target: Bytes): void {
  const split = spec.shape.length - spec.reduced;
  const axes = spec.shape.map((_, axis) => axis).slice(split);
  const kept = spec.shape.slice(0, split);
  const out = made(spec.output.type, sizeOf(kept));
  const values = runBody(spec, args);
  if (spec.combine === "sum") evaluateSum(values, spec.shape, axes, out);
  else if (spec.combine === "max") evaluateMax(values, spec.shape, axes, out);
  else evaluateArgmax(values, spec.shape, axes[0], out);
  store(kept, out, target, spec.output);
}

function matrix(bytes: Bytes, shape: readonly number[], access: MatrixAccess): Float32Array {
  const out = new Float32Array(sizeOf(shape));
  const { batchStride, rowStride, columnStride, offset } = access;
  const walk = { strides: [batchStride, rowStride, columnStride], offset };
  copyWalk(shape, elements(bytes, "f32"), walk, out, contiguous(shape));
  return out;
}

function attentionOperands(spec: Omit<AttentionSpec, "family">) {
  const { rows, heads, slots, keyValueHeads, headWidth, extras } = spec;
  const table = [slots, keyValueHeads, headWidth];
  return [
    input([rows, heads, headWidth]),
    input(table),
    input(table),
    input([rows], "i32"),
    input([rows], "i32"),
    ...(extras > 0 ? [input([rows, extras], "i32")] : []),
  ];
}

/** Query, keys and values, as numbers however they are stored. */
function attentionNumbers({ storage }: AttentionSpec | AttentionPartsSpec, args: readonly Bytes[]) {
  const read = (bytes: Bytes) => storage === "f16" ? storedRows(integers(bytes)) : floats(bytes);
  return [floats(args[0]), read(args[1]), read(args[2])];
}

function runAttentionGrad(
  spec: AttentionGradSpec,
  args: readonly Bytes[],
  target: Bytes,
): void {
  const operands = attentionOperands(spec);
  operands.push(input([spec.rows, spec.heads, spec.headWidth]));
  const values = operands.map((t, i) =>
    elements(args[i], t.type === "i32" ? "i32" : "f32").subarray(0, sizeOf(t.shape))
  );
  const out = elements(target, "f32");
  let from = 0;
  (["query", "key", "value"] as const).forEach((operand, i) => {
    if (spec.operand !== "all" && spec.operand !== operand) return;
    const part = out.subarray(from, from + sizeOf(operands[i].shape));
    evaluateAttentionGrad({ scale: spec.scale, operand }, operands, values, part);
    from += part.length;
  });
}

function runKernel(spec: KernelSpec, args: readonly Bytes[], target: Bytes): void {
  switch (spec.family) {
    case "map":
      return store(spec.shape, runBody(spec, args), target, spec.output);
    case "reduce":
      return runReduce(spec, args, target);
    case "matmul": {
      const { batch, m, n, k } = spec;
      const [left, right] = [[batch, m, k], [batch, k, n]];
      const [a, b] = [matrix(args[0], left, spec.left), matrix(args[1], right, spec.right)];
      evaluateMatmul(a, left, b, right, elements(target, "f32"));
      return;
    }
    case "packedMatmul": {
      const { m, n, k } = spec;
      const w = unpackMatrix(spec.weights, n, k, args[1]);
      const right = new Float32Array(k * n);
      copyWalk([k, n], w, { strides: [1, k], offset: 0 }, right, contiguous([k, n]));
      const left = isInteger(spec.weights)
        ? dequantizeRows(args[0], m, k)
        : elements(args[0], "f32");
      evaluateMatmul(left, [m, k], right, [k, n], elements(target, "f32"));
      return;
    }
    case "quantize": {
      const x = Float32Array.from(elements(args[0], "f32"));
      target.set(quantizeRows(x, spec.m, spec.k));
      return;
    }
    case "dequantize":
      elements(target, "f32").set(unpackMatrix(spec.weights, spec.n, spec.k, args[0]));
      return;
    case "pack":
      throw new OutriderError(
        "a command that a graph can lead to",
        spec.family,
        "report this plan",
      );
    case "gather": {
      const { table, tableRows, rows, width } = spec;
      const packed = isPacked(table);
      const from = packed
        ? unpackMatrix(table, tableRows, width, args[0])
        : elements(args[0], table);
      const indices = elements(args[1], "i32").subarray(0, rows);
      const out = elements(target, packed ? "f32" : table).subarray(0, rows * width);
      evaluateGather(from, indices, { tableRows, width }, out.fill(0));
      return;
    }
    case "scatter": {
      const { mode, type, tableRows, rows, width } = spec;
      const table = elements(target, type).subarray(0, tableRows * width);
      const indices = elements(args[0], "i32").subarray(0, rows);
      const updates = elements(args[1], type).subarray(0, rows * width);
      evaluateScatter(mode, [table.slice(), indices, updates], { tableRows, width }, table);
      return;
    }
    case "attention":
      return runAttention(
        spec,
        attentionNumbers(spec, args),
        args.slice(3).map(integers),
        floats(target),
      );
    case "attentionParts":
      return runAttentionParts(
        spec,
        attentionNumbers(spec, args),
        args.slice(3).map(integers),
        floats(target),
      );
    case "attentionJoin":
      return runAttentionJoin(spec, floats(args[0]), args.slice(1).map(integers), floats(target));
    case "attentionGrad":
      return runAttentionGrad(spec, args, target);
  }
}

/** True where a kernel may read and write the same memory: each element only at its own place. */
function mayShare(spec: KernelSpec, argument: number): boolean {
  if (spec.family !== "map") return false;
  const { shape, output } = spec;
  const access = spec.inputs[argument];
  return access.offset === output.offset &&
    shape.every((size, axis) => size <= 1 || access.strides[axis] === output.strides[axis]);
}

function overlaps(a: Bytes, b: Bytes): boolean {
  return a.length > 0 && b.length > 0 && a.buffer === b.buffer;
}

/** A backend that runs commands; a plan bug shows as a wrong value or as an error here. */
export function planInterpreter(): Backend {
  const memory = new Map<Allocation, Bytes>();
  let next: Allocation = 1;
  const at = (allocation: Allocation): Bytes => {
    const bytes = memory.get(allocation);
    if (bytes === undefined) throw new OutriderError("live memory", "dead memory", "keep it");
    return bytes;
  };
  const run = (plan: Plan, inputs: readonly Allocation[], outputs: readonly Allocation[]): void => {
    const slots = plan.slots.map(poisoned);
    const locate = (home: BufferHome): Bytes => {
      switch (home.home) {
        case "input":
          return at(inputs[home.index]);
        case "output":
          return at(outputs[home.index]);
        case "slot":
          return slots[home.index];
        case "constant":
          return new Uint8Array(home.data.slice().buffer);
      }
    };
    for (const { spec, args } of plan.commands) {
      const bytes = args.map((buffer) => locate(plan.buffers[buffer]));
      const target = bytes[bytes.length - 1];
      bytes.slice(0, -1).forEach((read, i) => {
        if (overlaps(read, target) && !mayShare(spec, i)) {
          throw new Error(`${spec.family} overwrites its operand ${i} while it reads it`);
        }
      });
      runKernel(spec, bytes, target);
    }
  };
  return {
    name: "plan interpreter",
    allocate: (bytes) => {
      if (bytes > 2 ** 32) throw new OutriderError("at most 4 GiB", `${bytes}`, "use less");
      memory.set(next, poisoned(bytes));
      return next++;
    },
    release: (allocation) => {
      at(allocation);
      memory.delete(allocation);
    },
    write: (allocation, bytes, offset) => at(allocation).set(bytes, offset),
    read: (allocation, offset, length) =>
      Promise.resolve(at(allocation).slice(offset, offset + length)),
    prepare: (plan) => ({
      plan,
      run: (inputs, outputs) => run(plan, inputs, outputs),
      release: () => {},
    }),
    close: () => memory.clear(),
  };
}
