/**
 * The plan interpreter on fused plans: what the WebGPU backend makes of a plan, taken apart again
 * into commands, each dispatch's parts last one first, since nothing says in which order they run.
 */
import { fuse } from "../../src/backends/webgpu/fuse/fuse.ts";
import type { Source, Step } from "../../src/backends/webgpu/fuse/step.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { contiguousStrides } from "../../src/core/shape.ts";
import type { Access, BufferHome, Command, MapSpec, Plan } from "../../src/plan/mod.ts";
import type { Backend } from "../../src/runtime/mod.ts";
import { planInterpreter } from "./plan_interpreter.ts";

/** As many as many adapters have, and memory for few parts. */
const OPTIONS = {
  limits: { bindings: 16, workgroupBytes: 16384, bindingBytes: 2 ** 27, bufferBytes: 2 ** 28 },
  sizeOf: () => ({ lanes: 64, workgroupBytes: 4096 }),
};

/** A map from one line of elements to another, in the place of a map inside a kernel. */
function inLine(map: MapSpec, access: Access): Access {
  return { ...access, strides: contiguousStrides(map.shape), offset: 0 };
}

/** Takes a fused plan apart. */
export function takenApart(plan: Plan): Plan {
  const { groups, slotOf, slots } = fuse(plan, OPTIONS);
  const buffers: BufferHome[] = plan.buffers.map((buffer, i) =>
    buffer.home === "slot" ? { home: "slot", index: slotOf.get(i) ?? 0 } : buffer
  );
  const sizes = [...slots];
  const commands: Command[] = [];
  const temporary = (elements: number): number => {
    const index = sizes.push(4 * elements) - 1;
    return buffers.push({ home: "slot", index }) - 1;
  };
  const bufferOf = (source: Source): number => {
    if ("buffer" in source) return source.buffer;
    if ("reduce" in source) {
      const { reduce, count, ...rest } = source;
      const target = temporary(count);
      run({ kernel: reduce, ...rest, target });
      return target;
    }
    const args = source.sources.map(bufferOf);
    if ("scatter" in source) {
      commands.push({ spec: source.scatter, args: [...args, source.table] });
      return source.table;
    }
    const { map } = source;
    const target = temporary(sizeOf(map.shape));
    // Element i of the operand is the map's output at its place i.
    commands.push({ spec: { ...map, output: inLine(map, map.output) }, args: [...args, target] });
    return target;
  };
  const run = ({ kernel, sources, after, target }: Step): void => {
    if (kernel.family === "attentionStatistics") {
      throw new OutriderError("a kernel of plans", kernel.family, "leave statistics out");
    }
    const args = sources.map(bufferOf);
    if (after === undefined) {
      commands.push({ spec: kernel, args: [...args, target] });
      return;
    }
    const { map, input } = after;
    const result = temporary(sizeOf(map.shape));
    commands.push({ spec: kernel, args: [...args, result] });
    const inputs = map.inputs.map((access, i) => i === input ? inLine(map, access) : access);
    const others = after.sources.map((source, i) => i === input ? result : bufferOf(source));
    commands.push({ spec: { ...map, inputs }, args: [...others, target] });
  };
  for (const steps of groups) for (const step of steps.toReversed()) run(step);
  return { ...plan, buffers, slots: sizes, commands };
}

/** A backend that runs fused plans. */
export function fusedInterpreter(): Backend {
  const inner = planInterpreter();
  return {
    ...inner,
    name: "fused plans",
    prepare: (plan) => ({ ...inner.prepare(takenApart(plan)), plan }),
  };
}
