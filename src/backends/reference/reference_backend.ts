/**
 * The reference backend: it evaluates a plan's graph with the specification's plain loops.
 *
 * @module
 */
import { isPacked } from "../../core/dtype.ts";
import { OutriderError } from "../../core/errors.ts";
import { sizeOf } from "../../core/shape.ts";
import type { Plan, PortSpec } from "../../plan/plan.ts";
import type { Allocation, Backend, Executable } from "../../runtime/backend.ts";
import { evaluateGraph } from "./evaluate.ts";
import type { Value } from "./value.ts";

type Memory = Map<Allocation, Uint8Array<ArrayBuffer>>;

function bytesOf(memory: Memory, allocation: Allocation): Uint8Array<ArrayBuffer> {
  const bytes = memory.get(allocation);
  if (bytes === undefined) {
    throw new OutriderError(
      "live memory of the reference backend",
      `allocation ${allocation}`,
      "do not use arrays after their release",
    );
  }
  return bytes;
}

/** The part of an allocation from `offset` on. */
function partOf(
  memory: Memory,
  allocation: Allocation,
  offset: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const bytes = bytesOf(memory, allocation);
  if (offset < 0 || length < 0 || offset + length > bytes.length) {
    throw new OutriderError(
      `bytes within the ${bytes.length} of an allocation`,
      `${length} from ${offset} on`,
      "check the offset and the length",
    );
  }
  return bytes.subarray(offset, offset + length);
}

/** An allocation seen as the elements of a port. */
function elementsOf(
  memory: Memory,
  allocation: Allocation,
  { shape, type, bytes }: PortSpec,
): Value {
  const part = partOf(memory, allocation, 0, bytes);
  if (isPacked(type)) return part;
  return type === "f32"
    ? new Float32Array(part.buffer, 0, sizeOf(shape))
    : new Int32Array(part.buffer, 0, sizeOf(shape));
}

function reserve(bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes);
  } catch {
    throw new OutriderError(
      "room for an array",
      `a request of ${bytes} bytes`,
      "use smaller arrays",
    );
  }
}

function executable(memory: Memory, plan: Plan): Executable {
  return {
    plan,
    run: (inputs, outputs) => {
      const bindings = new Map(
        plan.inputs.map((node, i) =>
          [node, elementsOf(memory, inputs[i], plan.inputPorts[i])] as const
        ),
      );
      // Packed results are donated inputs, which stay where they are.
      const computed = [...plan.outputs.keys()].filter((i) => !isPacked(plan.outputs[i].type));
      // All results are known before any is stored, so donated memory is overwritten unseen.
      evaluateGraph(computed.map((i) => plan.outputs[i]), bindings).forEach((values, k) => {
        const target = partOf(memory, outputs[computed[k]], 0, values.byteLength);
        target.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      });
    },
    release: () => {},
  };
}

/**
 * A backend that computes by definition: slow, exact, and what the others are compared with.
 *
 * @example
 * ```ts
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const backend = referenceBackend();
 * const memory = backend.allocate(4);
 * backend.write(memory, new Uint8Array([1, 2, 3, 4]), 0);
 * assertEquals(await backend.read(memory, 1, 2), new Uint8Array([2, 3]));
 * backend.close();
 * ```
 */
export function referenceBackend(): Backend {
  const memory: Memory = new Map();
  let next: Allocation = 1;
  return {
    name: "reference",
    allocate: (bytes) => {
      memory.set(next, reserve(bytes));
      return next++;
    },
    release: (allocation) => {
      bytesOf(memory, allocation);
      memory.delete(allocation);
    },
    write: (allocation, bytes, offset) => {
      partOf(memory, allocation, offset, bytes.length).set(bytes);
    },
    read: (allocation, offset, length) =>
      Promise.resolve(partOf(memory, allocation, offset, length).slice()),
    view: (allocation, offset, length) => partOf(memory, allocation, offset, length),
    prepare: (plan) => executable(memory, plan),
    close: () => memory.clear(),
  };
}
