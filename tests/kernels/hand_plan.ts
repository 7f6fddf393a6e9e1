/** Plans written by hand, for tests of the backend without a planner. */
import type { Access } from "../../src/plan/kernel_spec.ts";
import type { Command, Plan, PortSpec } from "../../src/plan/plan.ts";

/** A contiguous line of elements. */
export function line(type: Access["type"]): Access {
  return { type, strides: [1], offset: 0 };
}

/** An f32 input or output. */
export function f32Port(shape: readonly number[]): PortSpec {
  return { shape, type: "f32", bytes: 4 * shape.reduce((a, b) => a * b, 1) };
}

/** The bytes of a typed array. */
export function bytesOf(array: Float32Array | Int32Array | Uint8Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** A plan by hand; the graph behind it does not matter to this backend. */
export function handPlan(
  parts: Pick<Plan, "inputPorts" | "outputPorts" | "buffers" | "slots" | "commands">,
): Plan {
  const donations = parts.outputPorts.map(() => -1);
  return { inputs: [], outputs: [], donations, hash: "by hand", ...parts };
}

/** out = x + 1 + 1 + ... , `steps` times through two slots. */
export function countingPlan(count: number, steps: number): Plan {
  const port = f32Port([count]);
  const body = [
    { op: "load", access: 0, type: "f32" },
    { op: "load", access: 1, type: "f32" },
    { op: "add", args: [0, 1], type: "f32" },
  ] as const;
  const one = { type: "f32", strides: [0], offset: 0 } as const;
  const inputs = [line("f32"), one];
  const spec = { family: "map", shape: [count], inputs, output: line("f32"), body } as const;
  const place = (step: number): number => step < 0 ? 0 : step === steps - 1 ? 1 : 2 + step % 2;
  const commands = Array.from({ length: steps }, (_, step): Command => ({
    spec,
    args: [place(step - 1), 4, place(step)],
  }));
  return handPlan({
    inputPorts: [port],
    outputPorts: [port],
    buffers: [
      { home: "input", index: 0 },
      { home: "output", index: 0 },
      { home: "slot", index: 0 },
      { home: "slot", index: 1 },
      { home: "constant", data: Float32Array.of(1) },
    ],
    slots: [4 * count, 4 * count],
    commands,
  });
}
