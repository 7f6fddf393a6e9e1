/** README's recipe on the embedded model, with tiny sizes; a killed run of each stage goes on. */
import { assert, assertEquals } from "@std/assert";
import { withFolder } from "../io/with_folder.ts";
import { jsonOf, outcomeOf, runCommand, startCommand } from "./run_command.ts";
import { writeSmallSet } from "./small_set.ts";

const README = new URL("../../README.md", import.meta.url);

/** Later flags override earlier ones, so these make a stage of README small. */
const SIZES: Readonly<Record<string, readonly string[]>> = {
  pretrain: ["--steps", "6", "--rows", "128", "--width", "16"],
  distill: ["--count", "10", "--max-tokens", "16"],
  finetune: ["--steps", "6", "--rows", "128"],
  evaluate: ["--count", "4", "--max-tokens", "16"],
};

/** A command of README: its name and its arguments, in a folder of the test's own. */
interface Stage {
  readonly name: string;
  readonly args: readonly string[];
}

/** The commands of README's section on the recipe, as they stand there. */
async function recipeOf(folder: string): Promise<readonly Stage[]> {
  const [, block = ""] = (await Deno.readTextFile(README))
    .match(/## The recipe.*?```sh\n(.*?)```/s) ?? [];
  const lines = block.replaceAll(/\\\n/g, " ").trim().split("\n");
  return lines.map((line) => {
    const [deno, task, name, ...args] = line.trim().split(/\s+/);
    assertEquals([deno, task], ["deno", "task"], line);
    const moved = args.map((arg) => arg.startsWith("out/") ? `${folder}/${arg}` : arg);
    return { name, args: [...moved, ...SIZES[name]] };
  });
}

Deno.test("README's four commands follow one another", () =>
  withFolder(async (folder) => {
    const stages = await recipeOf(folder);
    assertEquals(stages.map(({ name }) => name), ["pretrain", "distill", "finetune", "evaluate"]);
    for (const { name, args } of stages) {
      const { code, stdout, stderr } = await runCommand(name, args);
      assertEquals(code, 0, `${name}: ${stderr}`);
      const end = name === "evaluate"
        ? / 4\/4$/m
        : name === "distill"
        ? /10 answers, \d+ tokens\n$/
        : /6 steps\n$/;
      assert(end.test(stdout), `${name}: ${stdout}`);
    }
    interface Report {
      readonly target: string;
      readonly rows: readonly {
        readonly name: string;
        readonly equalTexts: number;
        readonly metrics: { readonly blockEfficiency: number; readonly draftSizeRatio: number };
      }[];
    }
    const { target, rows } = await jsonOf<Report>("evaluate", stages[3].args);
    assertEquals(target, "embedded");
    const drafts = ["pretrain", "finetune"].map((stage) => `${folder}/out/${stage}/draft.gguf`);
    assertEquals(rows.map(({ name }) => name), drafts);
    for (const { equalTexts, metrics } of rows) {
      assertEquals(equalTexts, 4, "a draft changes no text");
      assert(metrics.blockEfficiency >= 1 && metrics.draftSizeRatio < 0.02);
    }
  }));

/** Waits until a file has so many lines, or the process that writes it ends. */
async function hasLines(path: string, count: number, ended: Promise<unknown>): Promise<void> {
  let running = true;
  void ended.then(() => running = false);
  const lines = async () => (await Deno.readTextFile(path).catch(() => "")).split("\n").length - 1;
  while (running && await lines() < count) await new Promise((wait) => setTimeout(wait, 5));
}

/** Runs a stage, ends it by a signal once its log has some lines, and says whether it was cut. */
async function killed(
  { name, args }: Stage,
  log: string,
  lines: number,
  signal: Deno.Signal,
): Promise<boolean> {
  const child = startCommand(name, args);
  await child.stdin.close();
  await hasLines(log, lines, child.status);
  try {
    child.kill(signal);
  } catch (error) {
    // It ended by itself in the meantime.
    if (!(error instanceof TypeError)) throw error;
  }
  return (await outcomeOf(child)).code !== 0;
}

Deno.test("a killed distill goes on to the same set, whichever signal ended it", () =>
  withFolder(async (folder) => {
    const stage = (out: string): Stage => ({
      name: "distill",
      args: ["--target", "embedded", "--count", "80", "--sequences", "4"]
        .concat(
          "--max-tokens",
          "30",
          "--seed",
          "3",
          "--taps",
          "spread",
          "--out",
          `${folder}/${out}`,
        ),
    });
    const set = `${folder}/cut/shard-00000.jsonl`;
    assert(await killed(stage("cut"), set, 5, "SIGKILL"), "killed before its end");
    const kept = await Deno.readTextFile(set);
    assert(await killed(stage("cut"), set, kept.split("\n").length + 5, "SIGTERM"), "and again");
    assert((await Deno.readTextFile(set)).startsWith(kept), "what was written stays");
    // A power cut may also tear the last line.
    await Deno.writeTextFile(set, '{"prompt":[1,2', { append: true });
    const resumed = await runCommand("distill", stage("cut").args);
    assertEquals(resumed.code, 0, resumed.stderr);
    assert(/^goes on after \d+ answers$/m.test(resumed.stderr), resumed.stderr);
    const whole = await jsonOf<{ answers: number; tokens: number; leftOut: number }>(
      "distill",
      stage("whole").args,
    );
    assertEquals(whole.answers + whole.leftOut, 80);
    const counts = `${whole.answers} answers, ${whole.tokens} tokens`;
    assertEquals(resumed.stdout, `${folder}/cut with ${counts}\n`);
    await haveSameFiles(
      [`${folder}/cut`, `${folder}/whole`],
      ["manifest.json", "shard-00000.jsonl", "shard-00000.teacher", ...FEATURES],
    );
  }));

/** The files of features. */
const FEATURES = ["features.json", "shard-00000.features"];

async function haveSameFiles(
  [a, b]: readonly [string, string],
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    assertEquals(await Deno.readFile(`${a}/${name}`), await Deno.readFile(`${b}/${name}`), name);
  }
}

Deno.test("features that distill keeps are those that features writes, also of answers before", () =>
  withFolder(async (folder) => {
    const target = ["--target", "embedded", "--dtype", "q8"];
    const distill = (out: string, ...more: string[]): Promise<unknown> =>
      jsonOf("distill", [...target, "--max-tokens", "20", "--out", `${folder}/${out}`, ...more]);
    await distill("with", "--count", "24", "--taps", "2,5");
    await distill("then", "--count", "24");
    await jsonOf("features", [...target, "--taps", "2,5", "--set", `${folder}/then`]);
    await distill("late", "--count", "10");
    await distill("late", "--count", "24", "--taps", "2,5");
    for (const other of ["then", "late"]) {
      await haveSameFiles([`${folder}/with`, `${folder}/${other}`], FEATURES);
    }
    const begun = await runCommand("distill", [
      ...[...target, "--max-tokens", "20", "--count", "30", "--taps", "spread"],
      ...["--out", `${folder}/with`],
    ]);
    assertEquals([begun.code, begun.stdout], [1, ""], begun.stderr);
    assert(begun.stderr.includes("features begun with taps"), begun.stderr);
    const small = ["--cache", "f16", "--taps", "2,5", "--out", `${folder}/small`];
    const refused = await runCommand("distill", [...target, ...small]);
    assertEquals([refused.code, refused.stdout], [1, ""], refused.stderr);
    assert(refused.stderr.trimEnd().endsWith("leave one of them out"), refused.stderr);
  }));

Deno.test("a killed pretrain and finetune go on to the same draft", () =>
  withFolder(async (folder) => {
    const entry = { prompt: [1, 285, 13], response: [53, 481, 301, 35, 60, 2] };
    const set = await writeSmallSet(`${folder}/set`, "embedded", entry);
    const common = ["--target", "embedded", "--steps", "60", "--rows", "128", "--save-every", "2"];
    const outs = ["cut", "whole"];
    const stages = {
      pretrain: ["--width", "16"],
      finetune: ["--draft", `${folder}/pretrain-whole/draft.gguf`, "--set", set],
    };
    for (const [name, own] of Object.entries(stages)) {
      const [cut, whole] = outs.map((out): Stage => ({
        name,
        args: [...common, ...own, "--out", `${folder}/${name}-${out}`],
      }));
      const complete = await runCommand(name, whole.args);
      assertEquals(complete.code, 0, complete.stderr);
      const log = `${folder}/${name}-cut/metrics.jsonl`;
      assert(await killed(cut, log, 5, "SIGKILL"), "killed before its end");
      const resumed = await runCommand(name, cut.args);
      assertEquals(resumed.code, 0, resumed.stderr);
      assert(/^goes on after step \d+$/m.test(resumed.stderr), resumed.stderr);
      const [a, b] = await Promise.all(
        outs.map((out) => Deno.readFile(`${folder}/${name}-${out}/draft.gguf`)),
      );
      assertEquals(a, b, name);
      const logged = (await Deno.readTextFile(log)).trimEnd().split("\n");
      const steps = logged.map((line) => JSON.parse(line).step);
      assertEquals(steps, Array.from({ length: 60 }, (_, i) => i + 1), "each step is logged once");
      const again = await runCommand(name, cut.args);
      assertEquals(again.stdout, resumed.stdout, "there is nothing left to do");
      assert(/ 100% {2}60\/60 steps/.test(again.stderr), again.stderr);
    }
  }));
