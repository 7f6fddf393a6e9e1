/**
 * Every check of the project, in order of cost, stopping at the first failure.
 *
 *     deno task ok
 *     deno task ok --without tests
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";

/** What tests were run and how they ended. */
interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** One check: arguments of `deno`, and when its failure means that it could not be made here. */
interface Check {
  readonly name: string;
  readonly args: readonly string[];
  readonly skipWhen?: RegExp;
}

interface Outcome {
  readonly code: number;
  readonly output: string;
}

const NOTHING: Counts = { passed: 0, failed: 0, skipped: 0 };
const CODE = ["mod.ts", "src", "kernels", "examples", "tests", "bench"];
const NO_NETWORK = /error sending request|failed to lookup|name resolution|connection refused/i;

/** The entries of the package, as `deno doc` wants them. */
async function entryFiles(): Promise<string[]> {
  const { exports }: { exports: Record<string, string> } = JSON.parse(
    await Deno.readTextFile(new URL("../deno.json", import.meta.url)),
  );
  return Object.values(exports);
}

async function checks(): Promise<readonly Check[]> {
  const architecture = "tests/architecture_test.ts";
  return [
    { name: "format", args: ["fmt", "--check", "deno.json", "README.md", ...CODE] },
    { name: "lint", args: ["lint", ...CODE] },
    { name: "types", args: ["check", ...CODE] },
    { name: "documentation", args: ["doc", "--lint", ...await entryFiles()] },
    {
      name: "package",
      args: ["publish", "--dry-run", "--allow-dirty", "--no-check"],
      skipWhen: NO_NETWORK,
    },
    { name: "architecture", args: ["test", "-A", architecture] },
    { name: "examples", args: ["test", "-A", "--doc", "mod.ts", "src", "kernels"] },
    { name: "tests", args: ["test", "-A", "tests/", `--ignore=${architecture}`] },
  ];
}

/** Passes a stream on as it comes and gives its whole text. */
async function relay(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    await Deno.stdout.write(chunk);
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}

async function runDeno(args: readonly string[]): Promise<Outcome> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: new URL("..", import.meta.url),
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [out, errors, { code }] = await Promise.all([
    relay(child.stdout),
    relay(child.stderr),
    child.status,
  ]);
  return { code, output: out + errors };
}

/** The sum of `deno test`'s summary lines. */
function countsIn(output: string): Counts {
  const summary = /\| (\d+) passed[^|]*\| (\d+) failed[^|\n]*(?:\| (\d+) ignored)?/g;
  let sum = NOTHING;
  for (const [, passed, failed, ignored] of output.matchAll(summary)) {
    sum = {
      passed: sum.passed + Number(passed),
      failed: sum.failed + Number(failed),
      skipped: sum.skipped + Number(ignored ?? 0),
    };
  }
  return sum;
}

/** Runs the checks that are not left out; the counts tell of all tests that ran. */
async function runChecks(leftOut: readonly string[]): Promise<Counts> {
  let sum = NOTHING;
  for (const { name, args, skipWhen } of await checks()) {
    if (leftOut.includes(name)) continue;
    console.log(`\n== ${name}: deno ${args.slice(0, 4).join(" ")} ...`);
    const { code, output } = await runDeno(args);
    const { passed, failed, skipped } = countsIn(output);
    const absent = code !== 0 && skipWhen?.test(output) === true;
    if (absent) console.log(`skipped: ${name}, which needs a network`);
    const broken = code !== 0 && !absent && failed === 0 ? 1 : 0;
    sum = {
      passed: sum.passed + passed,
      failed: sum.failed + failed + broken,
      skipped: sum.skipped + skipped + (absent ? 1 : 0),
    };
    if (code !== 0 && !absent) {
      console.log(`\n== ${name} failed`);
      break;
    }
  }
  return sum;
}

const { without } = parseArgs(Deno.args, { string: ["without"], collect: ["without"] });
const { passed, failed, skipped } = await runChecks(without);
console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
Deno.exit(failed === 0 ? 0 : 1);
