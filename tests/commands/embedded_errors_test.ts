/** Bad input on the embedded model: every command says in one line what is wrong, and stops. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { memorySource, readGguf, resolveModel } from "../../src/io/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { inPairs, runCommand } from "./run_command.ts";
import { writeSmallSet } from "./small_set.ts";
import { writeTinyModel } from "./tiny_target.ts";

/** A bad command line and what its one line must say. */
type BadInput = readonly [name: string, args: readonly string[], message: RegExp];

const TARGET = ["--target", "embedded"];
const ASK = [...TARGET, "--prompt", "Hi"];

/** Checks the whole of what a refused command prints: one line, no stack, nothing half done. */
async function refused(
  [name, args, message]: BadInput,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { code, stdout, stderr } = await runCommand(name, args, "", env);
  const what = `${name} ${args.join(" ").slice(0, 200)}: ${stderr}`;
  assertEquals([code, stdout], [1, ""], what);
  assertMatch(stderr, /^error: expected [^\n]+, found [^\n]+; [^\n]+\n$/, what);
  assertMatch(stderr, message, what);
}

/** The embedded model's file with a weight that is no number. */
async function poisoned(bytes: Uint8Array, tensor: string): Promise<Uint8Array> {
  const { tensors } = await readGguf(memorySource(bytes));
  const [found] = Array.from(tensors).filter(({ name }) => name === tensor);
  assertEquals(found.type, "F16");
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint16(found.offset + 100, 0x7e00, true);
  return copy;
}

/** Deno has no adapters in a system's own interface on another system. */
const NO_ADAPTER = { DENO_WEBGPU_BACKEND: Deno.build.os === "darwin" ? "dx12" : "metal" };

Deno.test("a GPU that is not there is refused by every command that computes", () =>
  withFolder(async (folder) => {
    const out = ["--out", `${folder}/out`];
    const entry = { prompt: [1], response: [5, 2] };
    const set = await writeSmallSet(`${folder}/set`, "embedded", entry);
    const inputs: readonly (readonly [string, readonly string[]])[] = [
      ["generate", ASK],
      ["logits", ASK],
      ["chat", ASK],
      ["pretrain", [...TARGET, ...out]],
      ["distill", [...TARGET, ...out]],
      ["finetune", [...TARGET, "--draft", "embedded", "--set", set, ...out]],
      ["evaluate", [...TARGET, "--draft", "lookup"]],
      ["demo", []],
    ];
    const refusals = inputs.map(([name, args]): BadInput => [
      name,
      [...args, "--backend", "webgpu"],
      /^error: expected a WebGPU adapter, found none/,
    ]);
    await inPairs(refusals, (input) => refused(input, NO_ADAPTER));
  }));

Deno.test("damaged copies of the embedded model are refused, wherever they were cut", () =>
  withFolder(async (folder) => {
    const bytes = await Deno.readFile(await resolveModel("embedded"));
    const { tensors } = await readGguf(memorySource(bytes));
    const firstTensor = Math.min(...Array.from(tensors, ({ offset }) => offset));
    const lengths = [0, 3, 8, 23, 24, 100, 2000, firstTensor - 700, firstTensor, bytes.length - 1];
    const inputs: BadInput[] = [];
    for (const length of lengths) {
      const path = `${folder}/cut-${length}.gguf`;
      await Deno.writeFile(path, bytes.subarray(0, length));
      inputs.push(["generate", ["--target", path, "--prompt", "Hi"], /damaged|cut short|GGUF/]);
    }
    for (const tensor of ["token_embd.weight", "blk.0.ffn_down.weight"]) {
      const path = `${folder}/${tensor}.gguf`;
      await Deno.writeFile(path, await poisoned(bytes, tensor));
      inputs.push(["generate", ["--target", path, "--prompt", "Hi"], /finite|NaN/]);
      inputs.push(["generate", [...ASK, "--draft", path], /finite|NaN/]);
    }
    await inPairs(inputs, (input) => refused(input));
  }));

Deno.test("prompts, drafts, sets and folders that do not fit the embedded model are refused", () =>
  withFolder(async (folder) => {
    const foreign = `${folder}/foreign.gguf`;
    await writeTinyModel(foreign, { vocabulary: 310 });
    const long = `${folder}/long.txt`;
    await Deno.writeTextFile(long, "once upon a time ".repeat(5000));
    const out = ["--out", `${folder}/out`];
    const under = ["--out", `${long}/below`];
    const words = "word ".repeat(700);
    const missing = `${folder}/missing.jsonl`;
    await inPairs<BadInput>([
      ["generate", [...TARGET, "--prompt-file", long], /a prompt of at most 512 tokens/],
      ["generate", [...TARGET, "--prompt-file", long, "--raw"], /a prompt of at most 512 tokens/],
      ["generate", [...TARGET, "--prompt-file", "/dev/zero"], /a prompt of at most \d+ bytes/],
      ["generate", [...TARGET, "--prompt", words], /a prompt of at most 512 tokens/],
      ["generate", [...TARGET, "--prompt", words, "--draft", "lookup"], /at most 512 tokens/],
      ["logits", [...TARGET, "--prompt", words, "--raw"], /at most 512 tokens/],
      ["chat", [...TARGET, "--prompt", words], /at most 512 tokens/],
      ["generate", [...ASK, "--draft", foreign], /a draft with the tokenizer of/],
      ["chat", [...ASK, "--draft", foreign], /a draft with the tokenizer of/],
      ["evaluate", [...TARGET, "--draft", foreign], /a draft with the tokenizer of/],
      ["generate", [...ASK, "--draft", `${folder}/none.gguf`], /none\.gguf/],
      ["evaluate", [...TARGET, "--draft", `${folder}/none.gguf`], /none\.gguf/],
      [
        "finetune",
        [...TARGET, "--draft", "embedded", "--set", missing, ...out],
        /missing\.jsonl\/manifest/,
      ],
      ["finetune", [...TARGET, "--draft", "embedded", ...out], /--set DIRS/],
      ["pretrain", [...TARGET, ...under], /a folder to write to at/],
      ["distill", [...TARGET, ...under], /a folder to write to at/],
      ["evaluate", [...TARGET, "--draft", "lookup", ...under], /a folder to write to at/],
      ["generate", [...ASK, "--repetition-penalty", "0"], /a repetition penalty above 0/],
      ["generate", [...ASK, "--temperature", "1e300"], /a temperature/],
      ["generate", [...ASK, "--stop", ""], /an empty string/],
      ["generate", ["--target", "", "--prompt", "Hi"], /--target MODEL, found an empty text/],
      ["logits", [...ASK, "--top", "0"], /--top/],
      ["pretrain", [...TARGET, "--width", "9000", ...out], /a draft smaller than its target of/],
      ["pretrain", [...TARGET, "--width", "100000000", ...out], /--width/],
      ["pretrain", [...TARGET, "--rows", "100000000000", ...out], /from 1 to 65536 for --rows/],
      ["distill", [...TARGET, "--count", "1000000000000", ...out], /--count/],
      ["evaluate", [...TARGET, "--draft", "lookup", "--count", "1000000000000"], /--count/],
      ["demo", ["--pretrain-steps", "0"], /--pretrain-steps/],
    ], refused);
  }));

Deno.test("demo explains its flags and names the nearest one", async () => {
  const { code, stdout, stderr } = await runCommand("demo", ["--help"]);
  assertEquals([code, stderr], [0, ""]);
  assert(stdout.startsWith("Usage: deno task demo [flags]\n"), stdout);
  const flags = ["target", "pretrain-steps", "answers", "finetune-steps", "loss", "gamma"]
    .concat("prompts", "seed", "backend", "threads", "json", "help");
  for (const flag of flags) assertMatch(stdout, new RegExp(`^  --${flag}( \\S+)?\\s+\\S.+$`, "m"));
  assert(stdout.includes("Examples:\n  deno task demo"), stdout);
  const unknown = await runCommand("demo", ["--pretrain-step", "3"]);
  const line = "error: unknown flag --pretrain-step; did you mean --pretrain-steps?\n";
  assertEquals([unknown.code, unknown.stdout, unknown.stderr], [2, "", line]);
});
