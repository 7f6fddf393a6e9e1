/**
 * The main module of a plan: it calls the plan's kernels one after the other, so that JavaScript
 * enters WebAssembly once per run.
 *
 * It exports "run" (table, scratch). The table holds the address of every buffer of the plan.
 *
 * @module
 */
import { buildFunction } from "../../../kernels/wasm/assembler.ts";
import { statement, unsignedLeb } from "../../../kernels/wasm/assembler_code.ts";
import { moduleBytes } from "../../../kernels/wasm/assembler_module.ts";
import { at, i32 } from "../../../kernels/wasm/assembler_ops.ts";
import type { MemoryKind } from "./memory.ts";

/** One call: which imported kernel, with which buffers, over how many units. */
export interface KernelCall {
  readonly kernel: number;
  readonly args: readonly number[];
  readonly units: number;
}

const CALL = 0x10;
const WORD_BYTES = 4;

/** The bytes of a main module; kernel i is imported as "kernels" "i" with `parameters[i]` values. */
export function planModule(
  memory: MemoryKind,
  parameters: readonly number[],
  calls: readonly KernelCall[],
): Uint8Array<ArrayBuffer> {
  const built = buildFunction(2, (builder, [table, scratch]) => {
    for (const { kernel, args, units } of calls) {
      const values = [
        ...args.map((buffer) => i32.load(at(table, buffer * WORD_BYTES))),
        scratch,
        i32.constant(0),
        i32.constant(units),
      ];
      builder.emit(statement([values.map((value) => value.code), CALL, unsignedLeb(kernel)]));
    }
  });
  return moduleBytes({
    memory,
    imports: parameters.map((count, i) => ({ module: "kernels", name: `${i}`, parameters: count })),
    functions: [{ name: "run", parameters: 2, ...built }],
  });
}
