/** Commands take a block draft file as they take any draft: the same words, and errors in one line. */
import { assert, assertEquals } from "@std/assert";
import { openModel } from "../../src/io/mod.ts";
import { blockDrafterSize, parameterCount, tinyBlockDrafter } from "../../src/nn/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { inPairs, jsonOf, runCommand } from "./run_command.ts";
import { TINY_PLACES, writePlacesDraft } from "./tiny_places_draft.ts";
import { writeTinyModel } from "./tiny_target.ts";

const PROMPT = "Spell the word river, and river again.";

/** What the tests read of a report of generate. */
interface TextReport {
  readonly tokens: readonly number[];
  readonly steps: number;
}

function withDraft(use: (target: string, draft: string) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const [target, draft] = [`${folder}/tiny.gguf`, `${folder}/draft.safetensors`];
    await writeTinyModel(target);
    await writePlacesDraft(draft, target);
    await use(target, draft);
  });
}

Deno.test("a block drafter from its file leaves greedy text as it is, in every precision and length", () =>
  withDraft(async (target, draft) => {
    const ask = ["--target", target, "--prompt", PROMPT, "--max-tokens", "16"];
    const runs = [["--dtype", "f32", "--gamma", "2"], ["--dtype", "q8", "--gamma", "5"]]
      .concat([["--dtype", "f16", "--gamma", "auto", "--cache", "f16"]]);
    await inPairs(runs, async (flags) => {
      const plain = await jsonOf<TextReport>("generate", [...ask, ...flags]);
      const drafted = await jsonOf<TextReport>("generate", [...ask, ...flags, "--draft", draft]);
      assertEquals(drafted.tokens, plain.tokens);
    });
    const sampled = [...ask, "--draft", draft, "--gamma", "2", "--temperature", "1"];
    assertEquals((await jsonOf<TextReport>("generate", sampled)).tokens.length, 16);
  }));

Deno.test("a CTC drafter from its file leaves every text as it is, greedy and sampled", () =>
  withDraft(async (target, draft) => {
    await writePlacesDraft(draft, target, { kind: "ctc" });
    const ask = ["--target", target, "--prompt", PROMPT, "--max-tokens", "16"];
    const runs = [["--gamma", "5"], ["--gamma", "auto"], ["--gamma", "4", "--temperature", "1"]]
      .concat([["--gamma", "3", "--temperature", "0.7", "--top-p", "0.9"]]);
    await inPairs(runs, async (flags) => {
      const plain = await jsonOf<TextReport>("generate", [...ask, ...flags]);
      const drafted = await jsonOf<TextReport>("generate", [...ask, ...flags, "--draft", draft]);
      assertEquals(drafted.tokens, plain.tokens);
    });
  }));

Deno.test("a talk with a block drafter, whose target remembers, has the words of a plain one", () =>
  withDraft(async (target, draft) => {
    const talk = ["--target", target, "--max-tokens", "8", "--json"];
    const lines = "Spell river.\nAnd now backwards?\nAgain.\n";
    const plain = await runCommand("chat", talk, lines);
    const drafted = await runCommand("chat", [...talk, "--draft", draft, "--gamma", "3"], lines);
    assertEquals([drafted.code, plain.code], [0, 0], drafted.stderr);
    assertEquals(JSON.parse(drafted.stdout), JSON.parse(plain.stdout));
  }));

Deno.test("evaluate compares block drafters with different taps", () =>
  withDraft(async (target, draft) => {
    const other = `${draft}.other.safetensors`;
    await writePlacesDraft(other, target, { config: { ...TINY_PLACES, taps: [0], features: 32 } });
    const drafts = ["--draft", `two=${draft}`, "--draft", `one=${other}`, "--draft", "lookup"];
    const few = ["--count", "2", "--max-tokens", "8", "--gamma", "2,auto", "--decoding", "0,1"];
    const { rows } = await jsonOf<{
      rows: {
        name: string;
        kind: string;
        decoding: string;
        equalTexts: number;
        prompts: number;
        metrics: { draftSizeRatio: number };
      }[];
    }>("evaluate", ["--target", target, ...drafts, ...few]);
    assertEquals(rows.length, 3 * 2 * 2);
    const { config, close } = await openModel(target);
    close();
    for (const { name, kind, decoding, equalTexts, prompts, metrics } of rows) {
      assertEquals(kind, name === "lookup" ? "lookup" : "block");
      if (decoding === "T=0") assertEquals([equalTexts, prompts], [2, 2]);
      const expected = blockDrafterSize(TINY_PLACES) / parameterCount(config);
      if (name === "two") assertEquals(metrics.draftSizeRatio, expected);
    }
    assertEquals(rows.filter(({ decoding }) => decoding === "T=0").length, 3 * 2);
  }));

Deno.test("export keeps drafters of several places in this program's files, in other weights or as they are", () =>
  withDraft(async (target, draft) => {
    const ctc = `${draft}.ctc.safetensors`;
    await writePlacesDraft(ctc, target, { kind: "ctc" });
    await inPairs([["block", draft], ["ctc", ctc]], async ([kind, path]) => {
      const on = ["--target", target, "--format", "draft", "--draft", path];
      const out = ["--out", `${path}.out`, "--weights"];
      const kept = await jsonOf<{ path: string }>("export", [...on, ...out, "keep"]);
      assert(kept.path.endsWith(`/${kind}-draft.safetensors`), kept.path);
      assertEquals(await Deno.readFile(kept.path), await Deno.readFile(path));
      const { path: wide } = await jsonOf<{ path: string }>("export", [...on, ...out, "f32"]);
      assert((await Deno.stat(wide)).size > 2 * (await Deno.stat(path)).size);
    });
  }));

Deno.test("a block draft that does not fit, or goes where only a draft model can, is refused in one line", () =>
  withDraft(async (target, draft) => {
    const wide = `${draft}.wide.safetensors`;
    await writePlacesDraft(wide, target, { config: tinyBlockDrafter({ width: 64, taps: [1] }) });
    const deep = `${draft}.deep.safetensors`;
    await writePlacesDraft(deep, target, { config: { ...TINY_PLACES, taps: [1, 3] } });
    const cut = `${draft}.cut.safetensors`;
    await Deno.writeFile(cut, (await Deno.readFile(draft)).slice(0, -4));
    const out = ["--out", `${draft}.out`];
    const model = /expected a draft that is a model of its own, found a block drafter in .*draft/;
    const inputs: readonly (readonly [string, string, RegExp])[] = [
      ["generate", wide, /a target of width 64, 1 or more layers .*, found width 32, 2 layers/],
      ["generate", deep, /a target of width 32, 3 or more layers/],
      ["chat", cut, /damaged or cut short/],
      ["evaluate", deep, /a target of width 32, 3 or more layers/],
      ["finetune", draft, model],
      ["export", draft, /a draft that other engines know for --format gguf, found a block drafter/],
    ];
    await inPairs(inputs, async ([command, name, message]) => {
      const more = {
        generate: ["--prompt", "a"],
        chat: ["--prompt", "a"],
        finetune: ["--set", `${draft}.none`, ...out],
        export: ["--format", "gguf", ...out],
      }[command] ?? [];
      const { code, stdout, stderr } = await runCommand(command, [
        ...["--target", target, "--draft", name],
        ...more,
      ]);
      assertEquals([code, stdout], [1, ""], stderr);
      assert(/^error: expected [^\n]+, found [^\n]+; [^\n]+\n$/.test(stderr), stderr);
      assert(message.test(stderr), stderr);
    });
  }));
