/**
 * Plans as text: buffers, slots and commands, for people and for snapshot tests.
 *
 * @module
 */
import type { KernelSpec } from "./kernel_spec.ts";
import type { BufferHome, Plan } from "./plan.ts";

function homeText(home: BufferHome): string {
  return home.home === "constant" ? `constant<${home.data.length}>` : `${home.home}${home.index}`;
}

function specText(spec: KernelSpec): string {
  switch (spec.family) {
    case "map":
      return `map[${spec.shape}] ${spec.body.map(({ op }) => op).join(" ")}`;
    case "reduce": {
      const outer = spec.shape.slice(0, spec.shape.length - spec.reduced);
      const inner = spec.shape.slice(spec.shape.length - spec.reduced);
      return `${spec.combine}[${outer}; ${inner}] ${spec.body.map(({ op }) => op).join(" ")}`;
    }
    case "matmul":
      return `matmul[${spec.batch}; ${spec.m}, ${spec.n}, ${spec.k}]`;
    case "packedMatmul":
      return `packedMatmul[${spec.m}, ${spec.n}, ${spec.k}] ${spec.weights}`;
    case "quantize":
      return `quantize[${spec.m}, ${spec.k}]`;
    case "dequantize":
      return `dequantize[${spec.n}, ${spec.k}] ${spec.weights}`;
    case "pack":
      return `pack ${spec.stored} as ${spec.weights}`;
    case "gather":
      return `gather[${spec.rows}, ${spec.width}] of ${spec.tableRows} ${spec.table}`;
    case "scatter":
      return `scatter ${spec.mode}[${spec.rows}, ${spec.width}] into ${spec.tableRows}`;
    case "attention":
      return `attention[${spec.rows}, ${spec.heads}, ${spec.headWidth}] over ${spec.slots} ${spec.storage}`;
    case "attentionParts":
    case "attentionJoin":
      return `${spec.family}[${spec.rows}, ${spec.heads}, ${spec.headWidth}] over ${spec.slots}`;
    case "attentionGrad":
      return `attentionGrad ${spec.operand}[${spec.rows}, ${spec.heads}] over ${spec.slots}`;
  }
}

/**
 * One line per command: what it writes, the kernel, what it reads.
 *
 * @example
 * ```ts
 * import { add, input } from "@outrider/outrider/core";
 * import { makePlan, printPlan } from "@outrider/outrider/plan";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const x = input([2], "f32", "x");
 * assertStringIncludes(printPlan(makePlan({ inputs: [x], outputs: [add(x, 1)] }, [])), "map");
 * ```
 */
export function printPlan(plan: Plan): string {
  const name = (buffer: number) => homeText(plan.buffers[buffer]);
  const lines = plan.commands.map(({ spec, args }) => {
    const reads = args.slice(0, -1).map(name).join(", ");
    return `${name(args[args.length - 1])} <- ${specText(spec)} (${reads})`;
  });
  const donated = plan.donations.flatMap((input, k) =>
    input < 0 ? [] : [`output${k}=input${input}`]
  );
  const tail = [`slots ${plan.slots.join(" ")}`, ...donated].join("; ");
  return [...lines, tail].join("\n");
}
