/** Features beside a set, and block and CTC drafters trained on them, as a user types it. */
import { assert, assertEquals } from "@std/assert";
import { openBlockDraftFile } from "../../src/io/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { jsonOf, outcomeOf, runCommand, startCommand } from "./run_command.ts";
import { writeTinyModel } from "./tiny_target.ts";

const SIZES = ["--context-width", "16", "--feed-forward", "32", "--heads", "2"]
  .concat("--key-value-heads", "1", "--block", "3", "--keep-tokens", "200")
  .concat("--rows", "128", "--anchors", "16");

/** A tiny target and two sets of its answers with its distributions. */
async function beginnings(folder: string) {
  const target = `${folder}/tiny.gguf`;
  const config = await writeTinyModel(target);
  const sets = [];
  for (const seed of ["1", "2"]) {
    const { set } = await jsonOf<{ set: string }>("distill", [
      ...["--target", target, "--count", "6", "--max-tokens", "16", "--seed", seed],
      ...["--teacher-tokens", "16", "--out", `${folder}/set-${seed}`],
    ]);
    sets.push(set);
  }
  return { target, config, sets };
}

Deno.test("features, then a block drafter that goes on where it was interrupted", () =>
  withFolder(async (folder) => {
    const { target, config, sets: [set, heldOut] } = await beginnings(folder);
    const train = ["--target", target, "--set", set, ...SIZES, "--steps", "6"];
    const bare = await runCommand("block_draft", [...train, "--out", `${folder}/none`]);
    assertEquals([bare.code, bare.stdout], [1, ""]);
    assertEquals(bare.stderr.trimEnd().split("\n").length, 1, bare.stderr);
    assert(bare.stderr.includes("deno task features"), bare.stderr);

    const features = ["--target", target, "--taps", "1,2", "--set", `${set},${heldOut}`];
    const written = await runCommand("features", features);
    assertEquals(written.code, 0, written.stderr);
    assert(/features of 6 answers take \d+ MiB/.test(written.stderr), written.stderr);
    assertEquals(
      written.stdout,
      [set, heldOut].map((it) => `${it} with features of 6 answers\n`).join(""),
    );
    const again = await runCommand("features", features);
    assertEquals([again.code, again.stdout], [0, written.stdout]);
    assert(again.stderr.includes("goes on after 6 answers"), again.stderr);
    const other = await runCommand("features", [...features, "--dtype", "q8"]);
    assertEquals(other.code, 1);
    assert(other.stderr.includes("begun with dtype q8"), other.stderr);

    const scored = [...train, "--validation", heldOut, "--evaluate-every", "2"];
    const out = `${folder}/block`;
    const made = await runCommand("block_draft", [...scored, "--out", out]);
    assertEquals(made.code, 0, made.stderr);
    const path = `${out}/block-draft.safetensors`;
    const [first, second] = made.stdout.split("\n");
    assertEquals(first, `${path} after 6 of 6 steps`);
    assert(second.startsWith(`${out}/block-draft.best.safetensors of step `), second);
    const draft = await openBlockDraftFile(path);
    assertEquals(draft.config.features, 2 * config.width);
    assertEquals([draft.config.taps, draft.config.block], [[1, 2], 3]);
    assertEquals(draft.vocabulary.tokenIds.length, 200);
    draft.close();
    const lines = (await Deno.readTextFile(`${out}/metrics.jsonl`)).trimEnd().split("\n");
    assertEquals(lines.map((line) => JSON.parse(line).step), [1, 2, 3, 4, 5, 6]);
    assert(lines.every((line) => JSON.parse(line).alpha2 > 0));
    const done = await runCommand("block_draft", [...scored, "--out", out, "--resume"]);
    assertEquals([done.code, done.stdout], [0, made.stdout]);

    // Interrupted, it says how far it came, and the same command comes to the same file.
    const stopped = `${folder}/stopped`;
    const long = [...train, "--schedule", "constant", "--out", stopped];
    const child = startCommand("block_draft", [...long, "--steps", "5000"]);
    while (!(await stepsIn(stopped) >= 3)) await new Promise((later) => setTimeout(later, 20));
    child.kill("SIGINT");
    await child.stdin.close();
    const outcome = await outcomeOf(child);
    assertEquals(outcome.code, 130, outcome.stderr);
    const reached = await stepsIn(stopped);
    const more = ["--steps", `${reached + 4}`];
    const whole = `${folder}/whole`;
    const resumed = await jsonOf<{ steps: number }>("block_draft", [...long, ...more, "--resume"]);
    assertEquals(resumed.steps, reached + 4);
    await jsonOf("block_draft", [...long, ...more, "--out", whole]);
    assertEquals(
      await Deno.readFile(`${stopped}/block-draft.safetensors`),
      await Deno.readFile(`${whole}/block-draft.safetensors`),
    );
  }));

Deno.test("a CTC drafter of some of the taps, with what it learns named, goes on as well", () =>
  withFolder(async (folder) => {
    const { target, config, sets: [set, heldOut] } = await beginnings(folder);
    const features = ["--target", target, "--taps", "1,2", "--set", `${set},${heldOut}`];
    assertEquals((await runCommand("features", features)).code, 0);
    const sizes = SIZES.map((it) => it === "--block" ? "--places" : it);
    const train = ["--target", target, "--set", set, ...sizes];
    const scored = [...train, "--steps", "6", "--labels", "2", "--validation", heldOut];
    const out = `${folder}/ctc`;
    const made = await runCommand("ctc_draft", [...scored, "--evaluate-every", "2", "--out", out]);
    assertEquals(made.code, 0, made.stderr);
    const [first, second] = made.stdout.split("\n");
    assertEquals(first, `${out}/ctc-draft.safetensors after 6 of 6 steps`);
    assert(second.startsWith(`${out}/ctc-draft.best.safetensors of step `), second);
    const draft = await openBlockDraftFile(`${out}/ctc-draft.safetensors`);
    // What the head reads, of the two taps that there are.
    assertEquals([draft.kind, draft.config.taps, draft.config.block], ["ctc", [2], 3]);
    assertEquals(draft.tensors.get("blank")?.shape, [1, config.width]);
    draft.close();

    const paper = [...train, "--loss", "ctc", "--labels-of", "text", "--taps", "2,1"];
    const [whole, parts] = [`${folder}/whole`, `${folder}/parts`];
    const flat = [...paper, "--schedule", "constant", "--rate", "0.02"];
    for (const steps of ["3", "6"]) {
      await jsonOf("ctc_draft", [...flat, "--steps", steps, "--out", parts]);
    }
    await jsonOf("ctc_draft", [...flat, "--steps", "6", "--out", whole]);
    const [a, b] = [whole, parts].map((run) => Deno.readFile(`${run}/ctc-draft.safetensors`));
    assertEquals(await a, await b);
    // Weights that are learnt already make the first step's loss a smaller one.
    const on = [...paper, "--steps", "1", "--begin"];
    const lossOf = async (out: string) =>
      JSON.parse((await Deno.readTextFile(`${out}/metrics.jsonl`)).split("\n")[0]).loss;
    await jsonOf("ctc_draft", [...on, `${whole}/ctc-draft.safetensors`, "--out", `${folder}/on`]);
    assert(await lossOf(`${folder}/on`) < await lossOf(whole));
    for (
      const [flags, message] of [
        [["--begin", `${whole}/ctc-draft.safetensors`], "a drafter of block 3, contextLength"],
        [["--labels", "4"], "1 to 3 tokens of a continuation"],
        [["--taps", "1,9"], "taps out of 1, 2, found 1, 9"],
        [["--taps", "last"], "layers as --taps"],
      ] as const
    ) {
      const refused = await runCommand("ctc_draft", [...train, ...flags, "--out", `${folder}/no`]);
      assertEquals([refused.code, refused.stdout], [1, ""], refused.stderr);
      assert(refused.stderr.includes(message), refused.stderr);
    }
  }));

/** Steps that a run has logged. */
async function stepsIn(out: string): Promise<number> {
  const text = await Deno.readTextFile(`${out}/metrics.jsonl`).catch(() => "");
  return text.split("\n").length - 1;
}

Deno.test("flags that do not fit together are one clear error", () =>
  withFolder(async (folder) => {
    const { target, sets: [set] } = await beginnings(folder);
    for (
      const [flags, message] of [
        [["--taps", "1,7"], "distinct layers from 0 to 2"],
        [["--taps", "1,1"], "distinct layers from 0 to 2"],
        [["--taps", "x"], "distinct layers from 0 to 2"],
      ] as const
    ) {
      const { code, stderr } = await runCommand("features", [
        ...["--target", target, "--set", set, ...flags],
      ]);
      assertEquals(code, 1, stderr);
      assert(stderr.includes(message), stderr);
    }
    await jsonOf("features", ["--target", target, "--set", set]);
    const train = ["--target", target, "--set", set, "--steps", "1", "--out", `${folder}/out`];
    for (
      const [flags, message] of [
        [[], "--draft-vocabulary or --keep-tokens, found neither"],
        [["--keep-tokens", "9", "--draft-vocabulary", target], "--keep-tokens, found both"],
        [["--draft-vocabulary", target], "which knows all tokens"],
        [["--keep-tokens", "200", "--heads", "3"], "divide --heads"],
        [["--keep-tokens", "200", "--resume"], "a checkpoint at"],
      ] as const
    ) {
      const { code, stdout, stderr } = await runCommand("block_draft", [...train, ...flags]);
      assertEquals([code, stdout], [1, ""], stderr);
      assert(stderr.includes(message), stderr);
    }
    const unknown = await runCommand("block_draft", [...train, "--loss", "e2e-tvd"]);
    assertEquals(unknown.code, 1, unknown.stderr);
    assert(unknown.stderr.includes("kld, tvd, tvd++"), unknown.stderr);
  }));
