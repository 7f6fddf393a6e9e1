/**
 * Plans as shaders run them: in front of attention's gradients stands the kernel that finds what they
 * share, and its result is one more temporary.
 *
 * @module
 */
import {
  type AttentionStatisticsSpec,
  type GpuKernelSpec,
  STATISTICS,
} from "../../../kernels/wgsl/mod.ts";
import { ELEMENT_BYTES } from "../../core/dtype.ts";
import type { AttentionGradSpec } from "../../plan/kernel_spec.ts";
import type { Command, Plan } from "../../plan/plan.ts";
import { stableJson } from "../../plan/stable_json.ts";

/** One command: a kernel that shaders have, and the buffers bound to its arguments. */
export interface GpuCommand {
  /** The kernel. */
  readonly spec: GpuKernelSpec;
  /** Indices into the plan's buffers. */
  readonly args: readonly number[];
}

/** A plan with such commands. */
export interface GpuPlan extends Omit<Plan, "commands"> {
  /** The kernels to run, in order. */
  readonly commands: readonly GpuCommand[];
}

function isGradient(command: Command): command is Command & { readonly spec: AttentionGradSpec } {
  return command.spec.family === "attentionGrad";
}

function statisticsOf({ operand: _, ...spec }: AttentionGradSpec): AttentionStatisticsSpec {
  return { ...spec, family: "attentionStatistics" };
}

/**
 * The plan with the statistics of attention before its gradients: once for gradients of the same
 * operands with nothing but gradients between them.
 */
export function withStatistics(plan: Plan): GpuPlan {
  const sizes = plan.commands.filter(isGradient).map(({ spec }) => spec.rows * spec.heads);
  if (sizes.length === 0) return plan;
  const bytes = STATISTICS * ELEMENT_BYTES * Math.max(1, ...sizes);
  const statistics = plan.buffers.length;
  const commands: GpuCommand[] = [];
  let known = "";
  for (const command of plan.commands) {
    if (!isGradient(command)) {
      commands.push(command);
      known = "";
      continue;
    }
    const inputs = command.args.slice(0, -1);
    const spec = statisticsOf(command.spec);
    const wanted = stableJson({ spec, inputs });
    if (wanted !== known) commands.push({ spec, args: [...inputs, statistics] });
    known = wanted;
    commands.push({ spec: command.spec, args: [...inputs, statistics, ...command.args.slice(-1)] });
  }
  return {
    ...plan,
    buffers: [...plan.buffers, { home: "slot", index: plan.slots.length }],
    slots: [...plan.slots, bytes],
    commands,
  };
}
