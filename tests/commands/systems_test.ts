/** evaluate --systems: every system on the same prompts, exact, and what is missing by name. */
import { assert, assertEquals } from "@std/assert";
import { withFolder } from "../io/with_folder.ts";
import { jsonOf } from "./run_command.ts";
import { writePlacesDraft } from "./tiny_places_draft.ts";
import { writeTinyModel } from "./tiny_target.ts";

interface Report {
  readonly rows: readonly { readonly name: string }[];
  readonly systems?: {
    readonly rows: readonly {
      readonly title: string;
      readonly draft: string;
      readonly setting: string;
      readonly decoding: string;
      readonly prompts: number;
      readonly tau: { readonly value: number };
      readonly costs: Readonly<Record<"drafting" | "pass" | "host" | "plain", number>>;
      readonly exactness: { readonly by: string; readonly equal?: number; readonly texts?: number };
    }[];
    readonly missing: readonly {
      readonly title: string;
      readonly reason: string;
      readonly commands: readonly string[];
    }[];
  };
}

async function systemsOf(args: readonly string[]) {
  const { systems } = await jsonOf<Report>("evaluate", args);
  if (systems === undefined) throw new Error("a report without systems");
  return systems;
}

/** Greedy texts, and sampled ones of plain decoding and of trees, are the plain ones. */
function assertExact({ rows }: Awaited<ReturnType<typeof systemsOf>>): void {
  for (const { title, decoding, exactness, prompts } of rows) {
    const isEqual = decoding === "T=0" || /^(AR|CTC|DFlash \+ DDTree)/.test(title);
    const expected = isEqual ? { by: "tokens", equal: prompts, texts: prompts } : { by: "law" };
    assertEquals(exactness, expected, `${title} ${decoding}`);
  }
}

/** Systems that have something of their own under greedy decoding, in the order of reports. */
const GREEDY = ["AR (plain)", "prompt lookup", "the paper's drafter, KLD"]
  .concat("the paper's drafter, TVD", "the paper's drafter, TVD++", "prompt lookup, else a draft")
  .concat("PEARL", "CTC", "DFlash", "DFlash + DDTree");
const SAMPLED = GREEDY.toSpliced(GREEDY.indexOf("DFlash"), 0, "multi-draft")
  .concat("DFlash + drawn tree");

Deno.test("all systems run at both temperatures with a draft of every kind, and all are exact", () =>
  withFolder(async (folder) => {
    const target = `${folder}/tiny.gguf`;
    await writeTinyModel(target);
    const drafts = await Promise.all(["kld", "tvd", "tvd++"].map(async (loss, i) => {
      await writeTinyModel(`${folder}/${loss}.gguf`, { seed: 2 + i });
      return `${loss}=${folder}/${loss}.gguf`;
    }));
    for (const kind of ["block", "ctc"] as const) {
      await writePlacesDraft(`${folder}/${kind}.safetensors`, target, { kind });
      drafts.push(`${kind}=${folder}/${kind}.safetensors`);
    }
    const given = drafts.flatMap((draft) => ["--draft", draft]);
    const few = ["--count", "2", "--max-tokens", "8", "--gamma", "2,auto", "--threads", "2"];
    const systems = await systemsOf(["--target", target, "--systems", "all", ...given, ...few]);
    const titles = (decoding: string) => [
      ...new Set(
        systems.rows.filter((row) => row.decoding === decoding).map(({ title }) => title),
      ),
    ];
    assertEquals(titles("T=0"), GREEDY);
    assertEquals(titles("T=1"), SAMPLED);
    assertExact(systems);
    assertEquals(
      systems.missing.map(({ title, commands }) => [title, commands]),
      [["multi-draft at T = 0", []], ["DFlash + drawn tree at T = 0", []]],
    );
    const settings = systems.rows.filter(({ title, decoding }) =>
      title === "DFlash + DDTree" && decoding === "T=0"
    );
    assertEquals(settings.map(({ setting }) => setting), ["16 nodes", "as many nodes as pay"]);
    for (const { tau, costs } of systems.rows) {
      assert(tau.value >= 1 && costs.pass > 0 && costs.plain >= 1);
    }
  }));

Deno.test("with what comes with the package, the systems that lack a draft are named with commands", () =>
  withFolder(async (folder) => {
    const out = `${folder}/out`;
    const few = ["--count", "2", "--max-tokens", "16", "--threads", "2", "--out", out];
    const systems = await systemsOf(["--target", "embedded", "--systems", "all", ...few]);
    const chains = ["prompt lookup", "the paper's drafter, TVD++", "prompt lookup, else a draft"];
    const present = ["AR (plain)", ...chains, "PEARL"];
    assertEquals(systems.rows.map(({ title, decoding }) => `${title} ${decoding}`), [
      ...present.map((title) => `${title} T=0`),
      ...[...present, "multi-draft"].map((title) => `${title} T=1`),
    ]);
    assertExact(systems);
    const missing = systems.missing.filter(({ title }) => !title.endsWith("at T = 0"));
    assertEquals(missing.map(({ title }) => title), [
      ...["the paper's drafter, KLD", "the paper's drafter, TVD", "CTC"],
      ...["DFlash", "DFlash + DDTree", "DFlash + drawn tree"],
    ]);
    for (const { title, reason, commands } of missing) {
      assert(reason.startsWith("needs "), reason);
      assert(/^deno task [a-z-]+ --target embedded /.test(commands.at(-1) ?? ""), title);
    }
    const markdown = await Deno.readTextFile(`${out}/report.md`);
    const page = await Deno.readTextFile(`${out}/report.html`);
    for (const { title } of [...systems.rows, ...systems.missing]) {
      assert(markdown.includes(title) && page.includes(title.replaceAll('"', "&quot;")), title);
    }
  }));

Deno.test("a list names systems, drafts of other names among them, and nothing else is measured", () =>
  withFolder(async (folder) => {
    const target = `${folder}/tiny.gguf`;
    await writeTinyModel(target);
    const few = ["--count", "1", "--max-tokens", "6", "--decoding", "0.6/0.9"];
    const { rows, missing } = await systemsOf([
      ...["--target", target, "--draft", `base=${target}`, "--systems", "pearl,base,ddtree"],
      ...few,
    ]);
    assertEquals(rows.map(({ title, draft, decoding }) => `${title}, ${draft}, ${decoding}`), [
      "PEARL, base, T=0.6, top-p 0.9",
      "the draft base, base, T=0.6, top-p 0.9",
    ]);
    assertEquals(missing.map(({ title }) => title), ["DFlash + DDTree"]);
    const self = ["--target", target, "--systems", "pearl,self:1", "--draft", "self:1"];
    const layers = await systemsOf([...self, ...few]);
    assertEquals(layers.rows.map(({ title }) => title), ["the draft self:1"]);
    assertEquals(layers.missing.map(({ title }) => title), ["PEARL"]);
    const others = ["--target", target, "--systems", "all", "--cache", "f16"];
    const { missing: without } = await systemsOf([...others, "--draft", `base=${target}`, ...few]);
    const pearl = without.find(({ title }) => title === "PEARL");
    assertEquals(pearl?.commands, []);
    assert(pearl?.reason.includes("--cache f32"), pearl?.reason);
  }));
