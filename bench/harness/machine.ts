/**
 * What a measurement was made on.
 *
 * @module
 */

import { engineVectors, type Vectors } from "../../src/backends/wasm/mod.ts";

/** The machine and the versions, as they are named beside every figure. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  /** Instruction sets that matter here and are present. */
  readonly instructions: readonly string[];
  readonly memoryGiB: number;
  readonly system: string;
  readonly deno: string;
  readonly v8: string;
  /** What V8 makes of neighbouring vectors of 128 bits: "joined" where it was started so. */
  readonly vectors: Vectors;
  /** Runnable processes over the last minute as the measurement began; above 0.5 others interfere. */
  readonly load: number;
  /** When, as an ISO date. */
  readonly date: string;
}

const INSTRUCTIONS = ["sse4_2", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "asimd"];

async function processorText(): Promise<string> {
  return await Deno.readTextFile("/proc/cpuinfo").catch(() => "");
}

/** Looks at the machine. */
export async function machineFacts(): Promise<Machine> {
  const text = await processorText();
  const field = (name: string): string =>
    new RegExp(`^${name}\\s*:\\s*(.*)$`, "m").exec(text)?.[1] ?? "";
  const flags = new Set(`${field("flags")} ${field("Features")}`.split(" "));
  return {
    processor: field("model name") || Deno.build.arch,
    cores: navigator.hardwareConcurrency,
    instructions: INSTRUCTIONS.filter((name) => flags.has(name)),
    memoryGiB: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    system: `${Deno.build.os} ${Deno.osRelease()}`,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    vectors: engineVectors(),
    load: Deno.loadavg()[0],
    date: new Date().toISOString().slice(0, 16),
  };
}

/** The machine in one line. */
export function machineLine(machine: Machine): string {
  const { processor, cores, instructions, memoryGiB, system, deno, vectors, load, date } = machine;
  return `${processor}, ${cores} cores (${instructions.join(" ")}), ${memoryGiB} GiB, ${system}, ` +
    `Deno ${deno}, vectors ${vectors}, load ${load.toFixed(2)}, ${date}`;
}
