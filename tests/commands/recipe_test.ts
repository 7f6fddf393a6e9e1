/** The recipe as four commands, on a tiny target, as a user would type them. */
import { assert, assertEquals } from "@std/assert";
import { openModel } from "../../src/io/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { jsonOf, outcomeOf, runCommand, startCommand } from "./run_command.ts";
import { writeTinyModel } from "./tiny_target.ts";

/** One row of the report of evaluate. */
interface Row {
  readonly name: string;
  readonly equalTexts: number;
  readonly prompts: number;
  readonly metrics: { readonly blockEfficiency: number; readonly acceptance: number };
}

const SMALL = ["--steps", "8", "--rows", "128", "--save-every", "3"];

Deno.test("pretrain, distill, finetune and evaluate follow one another", () =>
  withFolder(async (folder) => {
    const target = `${folder}/tiny.gguf`;
    await writeTinyModel(target);
    const on = ["--target", target];
    const pretrain = [...on, "--width", "16", ...SMALL, "--out", `${folder}/pretrain`];
    const first = await jsonOf<{ draft: string; steps: number; share: number }>(
      "pretrain",
      pretrain,
    );
    assertEquals([first.draft, first.steps], [`${folder}/pretrain/draft.gguf`, 8]);
    assert(first.share > 0 && first.share < 1);
    const set = `${folder}/distill`;
    const distill = [...on, "--count", "12", "--max-tokens", "10", "--out", `${folder}/distill`];
    const written = await jsonOf<{ set: string; answers: number; tokens: number; leftOut: number }>(
      "distill",
      distill,
    );
    assertEquals([written.set, written.answers + written.leftOut], [set, 12]);
    const drafts = [first.draft];
    for (const loss of ["kld", "tvd", "tvd++"]) {
      const out = `${folder}/${loss}`;
      const finetune = [...on, "--draft", first.draft, "--set", set, "--loss", loss, ...SMALL];
      const tuned = await jsonOf<{ draft: string; loss: string; tokens: number }>(
        "finetune",
        [...finetune, "--out", out],
      );
      assertEquals([tuned.draft, tuned.loss], [`${out}/draft.gguf`, loss]);
      assert(tuned.tokens > 0 && tuned.tokens <= written.tokens);
      drafts.push(tuned.draft);
      const metrics = (await Deno.readTextFile(`${out}/metrics.jsonl`)).trimEnd().split("\n");
      assertEquals(metrics.map((line) => JSON.parse(line).step), [1, 2, 3, 4, 5, 6, 7, 8]);
    }
    const report = `${folder}/report`;
    const contest = [...drafts.flatMap((draft) => ["--draft", draft]), "--draft", "lookup"];
    const evaluate = [...on, ...contest, "--count", "5", "--max-tokens", "12", "--out", report];
    const { rows } = await jsonOf<{ rows: readonly Row[] }>("evaluate", evaluate);
    assertEquals(rows.map(({ name }) => name), [...drafts, "lookup"]);
    for (const { equalTexts, prompts, metrics } of rows) {
      assertEquals([equalTexts, prompts], [5, 5], "every draft gives the target's own texts");
      assert(metrics.blockEfficiency >= 1 && metrics.acceptance <= 1);
    }
    const table = await Deno.readTextFile(`${report}/report.md`);
    assert(drafts.every((draft) => table.includes(draft)), table);
    assertEquals(JSON.parse(await Deno.readTextFile(`${report}/report.json`)).rows, rows);
    await usesDraft(target, first.draft);
    await goesOn(folder, pretrain, distill);
  }));

/** A draft that was written is a model: it has the target's tokenizer and runs ahead of it. */
async function usesDraft(target: string, draft: string): Promise<void> {
  const [a, b] = [await openModel(target), await openModel(draft)];
  assertEquals(a.tokenizer.hash, b.tokenizer.hash);
  assertEquals(b.config.contextLength, a.config.contextLength);
  a.close();
  b.close();
  const ask = ["--target", target, "--prompt", "Spell river.", "--max-tokens", "10"];
  const plain = await jsonOf<{ tokens: number[] }>("generate", ask);
  const drafted = await jsonOf<{ tokens: number[] }>("generate", [...ask, "--draft", draft]);
  assertEquals(drafted.tokens, plain.tokens);
}

/** The same command again finds everything done; another one is refused. */
async function goesOn(
  folder: string,
  pretrain: readonly string[],
  distill: readonly string[],
): Promise<void> {
  const draft = await Deno.readFile(`${folder}/pretrain/draft.gguf`);
  const again = await runCommand("pretrain", pretrain);
  assertEquals(again.code, 0, again.stderr);
  assertEquals(again.stdout, `${folder}/pretrain/draft.gguf after 8 of 8 steps\n`);
  assertEquals(await Deno.readFile(`${folder}/pretrain/draft.gguf`), draft);
  const set = await Deno.readFile(`${folder}/distill/shard-00000.jsonl`);
  const same = await runCommand("distill", distill);
  assertEquals(same.code, 0, same.stderr);
  assertEquals(await Deno.readFile(`${folder}/distill/shard-00000.jsonl`), set);
  const otherSeed = await runCommand("pretrain", [...pretrain, "--seed", "2"]);
  assertEquals(otherSeed.code, 1);
  const line = otherSeed.stderr.trimEnd().split("\n").at(-1) ?? "";
  assert(line.startsWith("error: expected a checkpoint with seed 2, found one with seed 1"), line);
  const otherSet = await runCommand("distill", [...distill, "--seed", "2"]);
  assertEquals(otherSet.code, 1);
  assert(otherSet.stderr.includes("expected a set begun with seed 2, found 1 in"));
}

/** Waits until a run has logged some steps; fails where it has ended before. */
async function hasBegun(child: Deno.ChildProcess, metrics: string): Promise<void> {
  let ended = false;
  void child.status.then(() => ended = true);
  const lines = async () => (await Deno.readTextFile(metrics).catch(() => "")).split("\n").length;
  while (await lines() < 5) {
    assert(!ended, "it goes on until it is stopped");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`${signal} stops pretraining after its step, and the same command goes on from there`, () =>
    withFolder(async (folder) => {
      const target = `${folder}/tiny.gguf`;
      await writeTinyModel(target);
      const steps = ["--width", "16", "--rows", "128", "--steps", "60"];
      const args = (out: string) => ["--target", target, ...steps, "--out", `${folder}/${out}`];
      const child = startCommand("pretrain", args("stopped"));
      await child.stdin.close();
      await hasBegun(child, `${folder}/stopped/metrics.jsonl`);
      child.kill(signal);
      const stopped = await outcomeOf(child);
      assertEquals(stopped.code, code, stopped.stderr);
      const [, done] = stopped.stdout.match(/after (\d+) of 60 steps\n$/) ?? [];
      assert(Number(done) < 60, `heard while it runs: ${stopped.stdout}`);
      const resumed = await runCommand("pretrain", [...args("stopped"), "--resume"]);
      assert(resumed.stderr.includes(`goes on after step ${done}\n`), resumed.stderr);
      assertEquals([resumed.code, await runCode("pretrain", args("whole"))], [0, 0]);
      for (const file of ["draft.gguf", "checkpoint.safetensors"]) {
        assertEquals(
          await Deno.readFile(`${folder}/stopped/${file}`),
          await Deno.readFile(`${folder}/whole/${file}`),
        );
      }
    }));
}

Deno.test("training that cannot go on ends with one line and exit code 1", () =>
  withFolder(async (folder) => {
    const target = `${folder}/tiny.gguf`;
    await writeTinyModel(target);
    const rate = ["--rate", "1e30", "--width", "16", "--rows", "128", "--steps", "60"];
    const out = ["--target", target, "--out", `${folder}/out`, "--save-every", "5"];
    const { code, stderr } = await runCommand("pretrain", [...out, ...rate]);
    assertEquals(code, 1, stderr);
    const line = stderr.trimEnd().split("\n").at(-1) ?? "";
    assert(/^error: expected a finite .*, found .* in steps \d+ to \d+; check/.test(line), line);
    const metrics = (await Deno.readTextFile(`${folder}/out/metrics.jsonl`)).trimEnd().split("\n");
    const skipped = metrics.map((text) => JSON.parse(text).skipped);
    assertEquals(skipped.slice(-10), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  }));

async function runCode(name: string, args: readonly string[]): Promise<number> {
  return (await runCommand(name, args)).code;
}
