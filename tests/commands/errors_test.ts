/** Bad input ends a command with one line that says what to do, exit code 1, and no stack. */
import { assert, assertEquals } from "@std/assert";
import { withFolder } from "../io/with_folder.ts";
import { inPairs, runCommand } from "./run_command.ts";
import { writeSmallSet } from "./small_set.ts";
import { writeTinyModel } from "./tiny_target.ts";

/** A bad command line and what its one line must say. */
type BadInput = readonly [name: string, args: readonly string[], message: RegExp];

/** The line is `error: expected ..., found ...; cure`. */
const LINE = /^error: expected [^\n]+, found [^\n]+; [^\n]+\n$/;

async function refused([name, args, message]: BadInput): Promise<void> {
  const what = `${name} ${args.join(" ").slice(0, 300)}`;
  const { code, stdout, stderr } = await runCommand(name, args);
  assertEquals([code, stdout], [1, ""], `${what}: ${stderr}`);
  const lines = stderr.split("\n").filter((line) => line !== "");
  assert(LINE.test(`${lines.at(-1)}\n`), `${what}: ${stderr}`);
  assert(message.test(stderr), `${what}: ${stderr} is not ${message}`);
  assert(!/\n\s+at |\.ts:\d+/.test(stderr), `${what} shows a stack: ${stderr}`);
  assertEquals(lines.length, 1, `${what}: ${stderr}`);
}

Deno.test("unknown flags exit with 2 and name the nearest one", () =>
  inPairs(
    [
      ["generate", "--promt", "--prompt"],
      ["logits", "--tagret", "--target"],
      ["chat", "--sytem", "--system"],
      ["pretrain", "--step", "--steps"],
      ["distill", "--temperature", "--temperatures"],
      ["finetune", "--losss=kld", "--loss"],
      ["evaluate", "--drafts", "--draft"],
    ] as const,
    async ([name, flag, nearest]) => {
      const { code, stdout, stderr } = await runCommand(name, [flag, "x"]);
      const written = flag.replace(/=.*/, "");
      const line = `error: unknown flag ${written}; did you mean ${nearest}?\n`;
      assertEquals([code, stdout, stderr], [2, "", line]);
    },
  ));

Deno.test("wrong values and missing flags are refused before anything is loaded", () => {
  const target = ["--target", "embedded"];
  const generate = [...target, "--prompt", "a"];
  const lookup = [...target, "--draft", "lookup"];
  const inputs: readonly BadInput[] = [
    ["generate", [], /--target MODEL/],
    ["generate", target, /--prompt TEXT or --prompt-file FILE, found neither/],
    ["generate", [...generate, "--prompt-file", "x"], /found both/],
    ["generate", [...generate, "--max-tokens", "0"], /--max-tokens/],
    ["generate", [...generate, "--max-tokens", "many"], /--max-tokens/],
    ["generate", [...generate, "--temperature", "-1"], /--temperature/],
    ["generate", [...generate, "--temperature", "NaN"], /--temperature/],
    ["generate", [...generate, "--top-p", "1.5"], /--top-p/],
    ["generate", [...generate, "--gamma", "65"], /--gamma/],
    ["generate", [...generate, "--dtype", "q3"], /f32, f16, q8, q4, keep for --dtype, found "q3"/],
    ["generate", [...generate, "--backend", "cuda"], /for --backend, found "cuda"/],
    ["generate", [...generate, "--threads", "0"], /--threads/],
    ["generate", [...generate, "--seed"], /a value after --seed/],
    ["generate", [...generate, "stray"], /flags only, found "stray"/],
    ["generate", [...target, "--prompt-file", "no/such/file"], /no\/such\/file/],
    ["generate", [...target, "--prompt-file", "."], /found Is a directory|path of the right kind/],
    ["distill", [...target, "--out", "x", "--temperatures", "0,hot"], /--temperatures/],
    [
      "finetune",
      [...target, "--draft", "d", "--set", "s", "--out", "o", "--loss", "mse"],
      /--loss/,
    ],
    ["pretrain", [...target], /--out DIR/],
    ["multi_draft", [...target], /--prompt TEXT or --prompt-file FILE, found neither/],
    ["multi_draft", [...generate, "--drafts", "0"], /--drafts/],
    ["multi_draft", [...generate, "--drafts", "9"], /--drafts/],
    ["pearl", [...target], /--prompt TEXT or --prompt-file FILE, found neither/],
    ["pearl", [...generate, "--gamma", "0"], /--gamma/],
    ["pearl", [...generate, "--threads", "0"], /--threads/],
    ["tree", ["--budgets", "8,0"], /"auto" for --budgets, found "0"/],
    ["tree", ["--temperatures", "0,hot"], /--temperatures, found "hot"/],
    ["tree", ["--tasks", "no/such.jsonl"], /no\/such\.jsonl/],
    ["evaluate", [...target], /one or more --draft/],
    ["evaluate", [...target, "--draft", "a=lookup", "--draft", "a=self"], /different names/],
    ["evaluate", [...lookup, "--gamma", "3,0"], /"auto" for --gamma, found "0"/],
    ["evaluate", [...lookup, "--gamma", "3,3"], /different values for --gamma/],
    ["evaluate", [...lookup, "--decoding", "0,hot"], /--decoding, found "hot"/],
    ["evaluate", [...lookup, "--decoding", ".5/2"], /--decoding/],
    ["evaluate", [...lookup, "--verify", "tree"], /block, token for --verify/],
    ["evaluate", [...target, "--systems", "pearl,warp"], /names of plain, .* found "warp"/],
    ["evaluate", [...target, "--systems", "pearl,pearl"], /different names of plain, /],
  ];
  return inPairs(inputs, refused);
});

Deno.test("files that are missing, damaged or do not belong together are refused", () =>
  withFolder(async (folder) => {
    const target = `${folder}/tiny.gguf`;
    await writeTinyModel(target);
    const foreign = `${folder}/foreign.gguf`;
    await writeTinyModel(foreign, { vocabulary: 310 });
    const poisoned = `${folder}/poisoned.gguf`;
    const change = (name: string, values: Float32Array) => {
      if (name === "layers.1.gate") values[100] = NaN;
    };
    await writeTinyModel(poisoned, { change });
    const bytes = await Deno.readFile(target);
    const cut = async (name: string, length: number): Promise<string> => {
      await Deno.writeFile(`${folder}/${name}`, bytes.subarray(0, length));
      return `${folder}/${name}`;
    };
    const [headless, tailless] = [await cut("a.gguf", 900), await cut("b.gguf", bytes.length - 9)];
    const empty = await cut("c.gguf", 0);
    const text = `${folder}/words.txt`;
    await Deno.writeTextFile(text, "word ".repeat(3000));
    const entry = { prompt: [1], response: [5, 2] };
    const set = await writeSmallSet(`${folder}/set`, target, entry);
    const shard = `${set}/shard-00000.jsonl`;
    const foreignSet = await writeSmallSet(`${folder}/foreign`, foreign, entry);
    const badSet = await writeSmallSet(`${folder}/bad`, target, entry);
    const badLines = '{"prompt":[1],"response":[999999]}\n{}\n';
    await Deno.writeTextFile(`${badSet}/shard-00000.jsonl`, badLines);
    const ask = (model: string) => ["--target", model, "--prompt", "a"];
    const out = ["--out", `${folder}/out`];
    const under = ["--out", `${text}/below`];
    const lookup = ["--target", target, "--draft", "lookup"];
    await Deno.mkdir(`${folder}/empty`);
    await Deno.mkdir(`${folder}/damaged`);
    await Deno.writeTextFile(`${folder}/damaged/results.jsonl`, "{}\n");
    const inputs: readonly BadInput[] = [
      ["generate", ask("no-such-model"), /found "no-such-model"/],
      ["generate", ask(`${folder}/none.gguf`), /none\.gguf/],
      ["generate", ask(headless), /the file is damaged or cut short/],
      ["generate", ask(tailless), /the file is damaged or cut short/],
      ["generate", ask(empty), /24 bytes/],
      ["generate", ask(text), /GGUF/],
      ["generate", ask(folder), /config\.json/],
      ["generate", ask(poisoned), /finite|NaN/],
      ["logits", ask(poisoned), /finite|NaN/],
      ["generate", [...ask(target), "--draft", `${folder}/none`], /none/],
      ["generate", [...ask(target), "--draft", foreign], /with the tokenizer of .*tiny\.gguf/],
      ["generate", ["--target", target, "--prompt-file", text], /a prompt of at most 256 tokens/],
      ["generate", ["--target", target, "--prompt", "x ".repeat(400)], /at most 256 tokens/],
      ["generate", ["--target", target, "--raw", "--prompt", ""], /at least one token/],
      ["logits", ["--target", target, "--prompt-file", text], /at most 256 tokens/],
      ["logits", ["--target", target, "--raw", "--prompt", ""], /a prompt of at least one token/],
      ["chat", ["--target", target, "--prompt", "x ".repeat(400)], /at most 256 tokens/],
      ["evaluate", ["--target", target, "--draft", foreign], /with the tokenizer of/],
      ["evaluate", ["--target", target, "--draft", target, ...under], /a folder to write to/],
      ["evaluate", ["--target", target, "--draft", `base=${folder}/none.gguf`], /none\.gguf/],
      ["multi_draft", [...ask(target), "--draft", "self:9"], /1 to 2 layers/],
      ["multi_draft", [...ask(target), "--draft", "lookup"], /a draft with distributions/],
      ["multi_draft", [...ask(target), "--draft", foreign], /with the tokenizer of/],
      ["multi_draft", ["--target", target, "--raw", "--prompt", ""], /a prompt of 1 to 255 tokens/],
      ["multi_draft", ["--target", target, "--prompt", "x ".repeat(400)], /of 1 to 255 tokens/],
      ["pearl", [...ask(target), "--draft", foreign], /with the tokenizer of/],
      ["pearl", ["--target", target, "--draft", "lookup", "--raw", "--prompt", ""], /one token/],
      ["pearl", [...ask(`${folder}/none.gguf`)], /none\.gguf/],
      ["tree", ["--target", target, "--draft", "lookup"], /a block drafter, found lookup/],
      ["tree", ["--target", target, "--draft", foreign], /with the tokenizer of/],
      ["tree", ["--target", `${folder}/none.gguf`], /none\.gguf/],
      ["evaluate", ["--target", target, "--draft", "self:9"], /1 to 2 layers/],
      ["evaluate", [...lookup, "--systems", "all"], /drafts with weights beside --systems/],
      [
        "evaluate",
        ["--target", target, "--draft", `pearl=${target}`, "--systems", "all"],
        /names of their own, found one named pearl/,
      ],
      ["evaluate", [...lookup, "--tasks", `x=${folder}/none.jsonl`], /none\.jsonl/],
      ["evaluate", [...lookup, "--tasks", `${folder}/empty`], /\.jsonl files in .*empty/],
      ["evaluate", [...lookup, "--tasks", `a=${shard},a=language`], /tasks of different names/],
      ["evaluate", [...lookup, "--tasks", shard], /with "text", "messages" or "instruction"/],
      ["evaluate", [...lookup, "--out", `${folder}/damaged`], /results\.jsonl, line 1/],
      ["pretrain", ["--target", target, ...under], /a folder to write to at .*words\.txt\/below/],
      ["pretrain", ["--target", target, "--data", `${folder}/none.txt`, ...out], /none\.txt/],
      ["pretrain", ["--target", target, "--width", "10", ...out], /a multiple of 8, found 10/],
      ["distill", ["--target", target, "--max-prompt", "3", ...out], /prompts of at most 3 tokens/],
      ["distill", ["--target", target, "--prompts", `${folder}/none.jsonl`, ...out], /none\.jsonl/],
      [
        "finetune",
        ["--target", target, "--draft", target, "--set", `${folder}/none`, ...out],
        /none\/manifest\.json, found nothing there/,
      ],
      [
        "finetune",
        ["--target", target, "--draft", target, "--set", badSet, ...out],
        /bad\/shard-00000\.jsonl, line 1/,
      ],
      [
        "finetune",
        ["--target", target, "--draft", target, "--set", foreignSet, ...out],
        /a distillation set in the target's tokens/,
      ],
      [
        "finetune",
        ["--target", target, "--draft", target, "--set", set, "--teacher", "cached", ...out],
        /sets with the target's distributions/,
      ],
      ["finetune", ["--target", target, "--draft", foreign, "--set", set, ...out], /tokenizer of/],
      ["finetune", ["--target", target, "--draft", `${folder}/no`, "--set", set, ...out], /no/],
    ];
    await inPairs(inputs, refused);
    const left = Array.from(Deno.readDirSync(`${folder}/out`), ({ name }) => name);
    assertEquals(left.filter((name) => name.endsWith(".gguf") || name.endsWith(".tmp")), []);
  }));
