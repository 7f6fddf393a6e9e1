/** Finetuning on what the draft drafts itself and with answers held out, as a user types it. */
import { assert, assertEquals } from "@std/assert";
import { openModel } from "../../src/io/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { jsonOf, runCommand } from "./run_command.ts";
import { writeSmallSet } from "./small_set.ts";
import { writeTinyModel } from "./tiny_target.ts";

/** A tiny target, a draft of few steps, and a set of one answer. */
async function beginnings(folder: string) {
  const target = `${folder}/tiny.gguf`;
  await writeTinyModel(target);
  const set = await writeSmallSet(`${folder}/set`, target, {
    prompt: [1, 40, 41, 42],
    response: [50, 51, 52, 53, 54, 55, 56, 57],
  });
  const { draft } = await jsonOf<{ draft: string }>("pretrain", [
    ...["--target", target, "--width", "16", "--steps", "2", "--rows", "64"],
    ...["--out", `${folder}/pretrain`],
  ]);
  const on = ["--target", target, "--draft", draft, "--set", set, "--rows", "128"];
  return { target, set, on };
}

Deno.test("--loss on-policy trains on what the draft writes, and the same command finds it done", () =>
  withFolder(async (folder) => {
    const { on } = await beginnings(folder);
    const out = `${folder}/own`;
    const speculate = ["--loss", "on-policy", "--record-tokens", "12", "--record-prompts", "2"];
    const all = [...on, ...speculate, "--refresh-every", "3", "--steps", "7", "--out", out];
    const { draft, steps } = await jsonOf<{ draft: string; steps: number }>("finetune", all);
    assertEquals([draft, steps], [`${out}/draft.gguf`, 7]);
    const lines = (await Deno.readTextFile(`${out}/metrics.jsonl`)).trimEnd().split("\n");
    const metrics = lines.map((line) => JSON.parse(line));
    assertEquals(metrics.map(({ step }) => step), [1, 2, 3, 4, 5, 6, 7]);
    assert(metrics.every(({ alpha, loss }) => alpha > 0 && loss > 0));
    const written = await Deno.readFile(draft);
    const again = await runCommand("finetune", all);
    assertEquals([again.code, again.stdout], [0, `${draft} after 7 of 7 steps\n`]);
    assertEquals(await Deno.readFile(draft), written);
    const other = await runCommand("finetune", [...all, "--gamma", "2"]);
    assertEquals(other.code, 1);
    assert(other.stderr.includes("expected a checkpoint with speculation"), other.stderr);
    const cached = await runCommand("finetune", [...all, "--teacher", "cached"]);
    assertEquals(cached.code, 1);
    assert(cached.stderr.includes("the target itself to judge"), cached.stderr);
  }));

Deno.test("--validation keeps the draft that is accepted most on it, and says of which step it is", () =>
  withFolder(async (folder) => {
    const { on, target } = await beginnings(folder);
    const heldOut = await writeSmallSet(`${folder}/held-out`, target, {
      prompt: [1, 40, 41],
      response: [60, 61, 62, 63, 64, 65],
    });
    const out = `${folder}/kept`;
    const run = [...on, "--validation", heldOut, "--evaluate-every", "2", "--rate", "0.3"];
    const all = [...run, "--steps", "7", "--save-every", "3", "--out", out];
    const { stdout, stderr, code } = await runCommand("finetune", all);
    assertEquals(code, 0, stderr);
    const lines = (await Deno.readTextFile(`${out}/metrics.jsonl`)).trimEnd().split("\n");
    const scored = lines.map((line) => JSON.parse(line)).filter((it) => it.validationAlpha > 0);
    assertEquals(scored.map(({ step }) => step), [2, 4, 6, 7]);
    const best = scored.toSorted((a, b) => b.validationAlpha - a.validationAlpha)[0];
    const alpha = best.validationAlpha.toFixed(3);
    const said = `${out}/draft.best.gguf of step ${best.step}, alpha ${alpha} on --validation\n`;
    assertEquals(stdout, `${out}/draft.gguf after 7 of 7 steps\n${said}`);
    const model = await openModel(`${out}/draft.best.gguf`);
    model.close();
    const kept = await Deno.readFile(`${out}/draft.best.gguf`);
    assertEquals((await runCommand("finetune", all)).stdout, stdout);
    assertEquals(await Deno.readFile(`${out}/draft.best.gguf`), kept);
  }));
