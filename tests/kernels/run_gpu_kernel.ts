/** Runs kernels by themselves on a backend, without a planner. */
import { OutriderError } from "../../src/core/errors.ts";
import type { Command } from "../../src/plan/plan.ts";
import type { Backend } from "../../src/runtime/mod.ts";
import { bytesOf, f32Port, handPlan } from "./hand_plan.ts";
import type { Words } from "./run_kernel.ts";

/** The memory of a run: buffers 0, 1, ... are the inputs, then the output and a temporary. */
export interface Memory {
  readonly inputs: readonly Words[];
  /** Elements of the output. */
  readonly output: number;
  /** Elements of the temporary. */
  readonly temporary?: number;
}

/** The output of commands, in memory that held NaN before. */
export async function runCommands(
  backend: Backend,
  { inputs, output, temporary = 1 }: Memory,
  commands: readonly Command[],
): Promise<Float32Array> {
  const executable = backend.prepare(handPlan({
    inputPorts: inputs.map(({ length }) => f32Port([length])),
    outputPorts: [f32Port([output])],
    buffers: [
      ...inputs.map((_, index) => ({ home: "input", index } as const)),
      { home: "output", index: 0 },
      { home: "slot", index: 0 },
    ],
    slots: [4 * temporary],
    commands,
  }));
  const uploaded = inputs.map((array) => {
    const allocation = backend.allocate(array.byteLength);
    backend.write(allocation, bytesOf(array), 0);
    return allocation;
  });
  const result = backend.allocate(4 * output);
  backend.write(result, bytesOf(new Float32Array(output).fill(NaN)), 0);
  executable.run(uploaded, [result]);
  const { buffer, byteLength } = await backend.read(result, 0, 4 * output);
  if (byteLength !== 4 * output) {
    throw new OutriderError(`${4 * output} bytes`, `${byteLength}`, "report this");
  }
  executable.release();
  [...uploaded, result].forEach((allocation) => backend.release(allocation));
  return new Float32Array(buffer, 0, output);
}
