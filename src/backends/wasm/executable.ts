/**
 * Plans made ready: constants uploaded, kernels compiled, one main module that calls them.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { Plan } from "../../plan/plan.ts";
import type { Allocation, Executable } from "../../runtime/backend.ts";
import { type Arena, layOut } from "./arena.ts";
import type { CompiledKernel, KernelCache } from "./kernel_cache.ts";
import type { LinearMemory } from "./memory.ts";
import { type KernelCall, planModule } from "./plan_module.ts";

/** What a plan is prepared with. */
export interface ExecutionContext {
  readonly linear: LinearMemory;
  readonly kernels: KernelCache;
  readonly arena: Arena;
}

/** A main module's function. */
type Main = (table: number, scratch: number) => void;

/** The distinct kernels of a plan and the calls of them, commands without work left out. */
function callsOf(
  plan: Plan,
  kernels: KernelCache,
): { used: CompiledKernel[]; calls: KernelCall[] } {
  const numbers = new Map<CompiledKernel, number>();
  const calls = plan.commands.flatMap(({ spec, args }) => {
    const kernel = kernels.get(spec, args.length);
    if (kernel.units === 0) return [];
    const number = numbers.get(kernel) ?? numbers.size;
    numbers.set(kernel, number);
    return [{ kernel: number, args, units: kernel.units }];
  });
  return { used: [...numbers.keys()], calls };
}

/** Compiles and links the main module. */
function linkMain({ linear }: ExecutionContext, used: CompiledKernel[], calls: KernelCall[]): Main {
  const parameters = used.map((kernel) => kernel.parameters);
  const module = new WebAssembly.Module(planModule(linear.kind, parameters, calls));
  const instance = new WebAssembly.Instance(module, {
    env: { memory: linear.memory },
    kernels: Object.fromEntries(used.map((kernel, i) => [`${i}`, kernel.run])),
  });
  const { run } = instance.exports;
  if (typeof run !== "function") {
    throw new OutriderError("a main function", typeof run, "report it");
  }
  return (table, scratch) => run(table, scratch);
}

/** Uploads the plan's constants; gives the address of each constant buffer, 0 for the others. */
function uploadConstants(plan: Plan, { linear }: ExecutionContext): number[] {
  return plan.buffers.map((buffer) => {
    if (buffer.home !== "constant") return 0;
    const { data } = buffer;
    const address = linear.allocator.allocate(data.byteLength);
    const source = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    linear.bytes(address, data.byteLength).set(source);
    return address;
  });
}

function checkPorts(what: string, expected: number, found: number): void {
  if (expected === found) return;
  throw new OutriderError(`${expected} ${what}`, `${found}`, "pass one allocation per port");
}

/** Prepares a plan. */
export function prepareExecutable(plan: Plan, context: ExecutionContext): Executable {
  const { linear, arena } = context;
  const { used, calls } = callsOf(plan, context.kernels);
  const main = linkMain(context, used, calls);
  const { offsets, bytes } = layOut(plan.slots);
  const scratchBytes = used.reduce((most, kernel) => Math.max(most, kernel.scratchBytes), 0);
  arena.reserve(bytes + scratchBytes);
  const constants = uploadConstants(plan, context);
  const tableBytes = Math.max(1, plan.buffers.length) * Uint32Array.BYTES_PER_ELEMENT;
  const table = linear.allocator.allocate(tableBytes);
  let isReleased = false;

  const run = (inputs: readonly Allocation[], outputs: readonly Allocation[]): void => {
    if (isReleased) {
      throw new OutriderError("a prepared plan", "a released one", "prepare it again");
    }
    checkPorts("inputs", plan.inputPorts.length, inputs.length);
    checkPorts("outputs", plan.outputPorts.length, outputs.length);
    const words = linear.words(table, plan.buffers.length);
    plan.buffers.forEach((buffer, i) => {
      if (buffer.home === "input") words[i] = inputs[buffer.index];
      else if (buffer.home === "output") words[i] = outputs[buffer.index];
      else if (buffer.home === "slot") words[i] = arena.address + offsets[buffer.index];
      else words[i] = constants[i];
    });
    main(table, arena.address + bytes);
  };
  const release = (): void => {
    if (isReleased) return;
    isReleased = true;
    linear.allocator.release(table);
    constants.filter((address) => address !== 0).forEach(linear.allocator.release);
  };
  return { plan, run, release };
}
