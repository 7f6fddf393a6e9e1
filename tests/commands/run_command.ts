/** The commands as a user runs them: real processes, with what they print and how they end. */
import { assert, assertEquals } from "@std/assert";

/** How a process ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const EXAMPLES = new URL("../../examples/", import.meta.url).pathname;

/** A process of a command, for tests that talk to it or end it. */
export function startCommand(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${EXAMPLES}${name}.ts`, ...args],
    env: { NO_COLOR: "1", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs a command to its end. */
export async function runCommand(
  name: string,
  args: readonly string[],
  input = "",
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const child = startCommand(name, args, env);
  const writer = child.stdin.getWriter();
  // A command that reads nothing may be gone before it is written to.
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  return await outcomeOf(child);
}

/** Waits for a process and gives what it printed. */
export async function outcomeOf(child: Deno.ChildProcess): Promise<Outcome> {
  const { code, stdout, stderr } = await child.output();
  const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

/** The JSON object that a command printed, and nothing else. */
export async function jsonOf<Report>(name: string, args: readonly string[]): Promise<Report> {
  const { code, stdout, stderr } = await runCommand(name, [...args, "--json"]);
  assertEquals(code, 0, stderr);
  assert(/^\{[^\n]*\}\n$/.test(stdout), `one JSON object on one line, not ${stdout}`);
  return JSON.parse(stdout);
}

/** Runs all, two at a time, and then fails with everything that went wrong. */
export async function inPairs<Input>(
  inputs: readonly Input[],
  run: (input: Input) => Promise<void>,
): Promise<void> {
  const waiting = inputs.values();
  const failures: string[] = [];
  const work = async () => {
    for (const input of waiting) {
      await run(input).catch((error: unknown) => failures.push(String(error)));
    }
  };
  await Promise.all([work(), work()]);
  assertEquals(failures, []);
}
