/** The evaluate command: tasks by drafts by settings, resumable, with a report in four forms. */
import { assert, assertEquals } from "@std/assert";
import { withFolder } from "../io/with_folder.ts";
import { jsonOf, outcomeOf, runCommand, startCommand } from "./run_command.ts";
import { writeTinyModel } from "./tiny_target.ts";

interface Report {
  readonly rows: readonly {
    readonly task: string;
    readonly outOfDistribution: boolean;
    readonly decoding: string;
    readonly gamma: number | "auto";
    readonly verify: string;
    readonly name: string;
    readonly prompts: number;
    readonly equalTexts: number;
    readonly metrics: { readonly draftSizeRatio: number };
  }[];
  readonly withBase: readonly { readonly of: string; readonly task: string }[];
  readonly curves: readonly { readonly run: string; readonly points: readonly unknown[] }[];
  readonly findings: readonly { readonly claim: string; readonly verdict: string }[];
}

/** A target, drafts for it, and two tasks in a folder. */
async function prepared(folder: string): Promise<readonly string[]> {
  await writeTinyModel(`${folder}/tiny.gguf`);
  for (const seed of [2, 3, 4]) await writeTinyModel(`${folder}/draft${seed}.gguf`, { seed });
  await Deno.mkdir(`${folder}/tasks`);
  for (const task of ["open_ended", "code"]) {
    const lines = Array.from(
      { length: 4 },
      (_, i) => JSON.stringify({ instruction: `${task} ${i}` }),
    );
    await Deno.writeTextFile(`${folder}/tasks/${task}.jsonl`, `${lines.join("\n")}\n`);
  }
  const drafts = [`base=${folder}/draft2.gguf`, `tvd++@5=${folder}/draft3.gguf`]
    .concat(`tvd++@9=${folder}/draft4.gguf`, "lookup", "self:1", "none");
  return ["--target", `${folder}/tiny.gguf`, "--tasks", `${folder}/tasks`, "--max-tokens", "10"]
    .concat("--count", "2", drafts.flatMap((draft) => ["--draft", draft]));
}

/** What each line of recorded results is of. */
async function recorded(path: string): Promise<string[]> {
  const [, ...lines] = (await Deno.readTextFile(path)).trimEnd().split("\n");
  return lines.map((line) => {
    const { task, prompt, decoding, arm, visit } = JSON.parse(line);
    const side = arm === undefined ? ["plain", visit] : [arm.draft.name, arm.gamma, arm.verify];
    return JSON.stringify([task.name, prompt, decoding.name, ...side]);
  });
}

Deno.test("every draft is measured in every setting on every task, and reported in four forms", () =>
  withFolder(async (folder) => {
    const args = await prepared(folder);
    const out = `${folder}/report`;
    const grid = ["--gamma", "2,3", "--decoding", "0,0.6/0.9", "--verify", "block,token"];
    const report = await jsonOf<Report>("evaluate", [...args, ...grid, "--out", out]);
    const places = report.rows.map(({ task, decoding, gamma, verify, name }) =>
      [task, decoding, gamma, verify, name].join(" ")
    );
    // Greedy decoding needs one rule, and plain decoding once more neither rules nor lengths.
    assertEquals(places.length, 2 * (5 * 2 + 1) + 2 * (5 * 2 * 2 + 1));
    assertEquals(new Set(places).size, places.length);
    assert(places.includes("open-ended T=0.6, top-p 0.9 3 token self:1"), places.join("\n"));
    for (const row of report.rows) {
      assertEquals([row.prompts, row.outOfDistribution], [2, row.task === "code"]);
      if (row.decoding === "T=0") assertEquals(row.equalTexts, 2, "a draft changes no text");
    }
    const sizes = new Map(report.rows.map(({ name, metrics }) => [name, metrics.draftSizeRatio]));
    const self = sizes.get("self:1") ?? 0;
    assertEquals([sizes.get("lookup"), sizes.get("base")], [0, 1]);
    assert(self > 0.3 && self < 1, `${self}`);
    assertEquals(new Set(report.withBase.map(({ of }) => of)), new Set(["tvd++@5", "tvd++@9"]));
    assert(report.curves.every(({ run, points }) => run === "tvd++" && points.length === 3));
    assertEquals(report.findings[0].verdict, "holds");
    const stored = JSON.parse(await Deno.readTextFile(`${out}/report.json`));
    assertEquals(stored.rows, report.rows);
    const markdown = await Deno.readTextFile(`${out}/report.md`);
    assert(markdown.includes("| self:1 | 3, token |"), markdown);
    await readsAlone(`${out}/report.html`);
  }));

/** A page that asks nothing of a network, with figures that say what they show. */
async function readsAlone(path: string): Promise<void> {
  const page = await Deno.readTextFile(path);
  const links = page.matchAll(/\b(?:src|href|url)\s*[=(]\s*["']?([^"'\s>)]+)/g);
  assertEquals(Array.from(links, ([, link]) => link).filter((link) => !link.startsWith("#")), []);
  assert(!/<script|@import|<link/.test(page));
  const figures = [...page.matchAll(/<figure>.*?<\/figure>/gs)].map(([figure]) => figure);
  assertEquals(figures.length, 5);
  for (const figure of figures) {
    assert(/<svg[^>]* role="img" aria-labelledby="\S+ \S+"><title id=.*?<desc id=/.test(figure));
    assert(!figure.includes("NaN") && !figure.includes("undefined"), figure);
  }
}

Deno.test("a killed evaluation goes on without repeating, and more drafts add to it", () =>
  withFolder(async (folder) => {
    const args = [...await prepared(folder), "--decoding", "0,1"];
    const cut = [...args, "--out", `${folder}/cut`];
    const results = `${folder}/cut/results.jsonl`;
    const child = startCommand("evaluate", cut);
    await child.stdin.close();
    const lines = async () => (await Deno.readTextFile(results).catch(() => "")).split("\n").length;
    while (await lines() < 12) await new Promise((wait) => setTimeout(wait, 5));
    child.kill("SIGKILL");
    assert((await outcomeOf(child)).code !== 0, "killed before its end");
    const kept = await Deno.readTextFile(results);
    // A power cut may also tear the last line.
    await Deno.writeTextFile(results, '{"task":{"name":"co', { append: true });
    const resumed = await runCommand("evaluate", cut);
    assertEquals(resumed.code, 0, resumed.stderr);
    assert(/^goes on after \d+ texts$/m.test(resumed.stderr), resumed.stderr);
    assert((await Deno.readTextFile(results)).startsWith(kept.slice(0, kept.lastIndexOf("\n"))));
    const places = await recorded(results);
    assertEquals(new Set(places).size, places.length, "nothing twice");
    const drafted = places.filter((place) => !place.includes('"plain"'));
    assertEquals(drafted.length, 2 * 2 * 2 * 6);
    await runCommand("evaluate", cut);
    assertEquals((await recorded(results)).length, places.length, "there is nothing left to do");
    const more = [...cut, "--draft", `kld=${folder}/draft3.gguf`];
    assertEquals((await runCommand("evaluate", more)).code, 0);
    const added = (await recorded(results)).slice(places.length);
    assertEquals(added.filter((place) => place.includes('"kld"')).length, 2 * 2 * 2);
    assertEquals(added.filter((place) => place.includes('"plain"')).length, 2 * 2 * 2);
    for (const [flags, message] of OTHERS) {
      const { code, stderr } = await runCommand("evaluate", [...cut, ...flags]);
      assertEquals(code, 1);
      assert(message.test(stderr), stderr);
    }
    await writeTinyModel(`${folder}/draft2.gguf`, { seed: 9 });
    const { code, stderr } = await runCommand("evaluate", cut);
    assertEquals(code, 1);
    assert(/expected the draft base that the results are of, found another one/.test(stderr));
  }));

/** What may not be added to results. */
const OTHERS: readonly (readonly [readonly string[], RegExp])[] = [
  [["--seed", "2"], /expected results with seed 2, found some with seed 1/],
  [["--max-tokens", "11"], /expected results with maxTokens 11, found some with maxTokens 10/],
  [["--dtype", "f32"], /expected results with dtype f32, found some with dtype keep/],
];

Deno.test("Ctrl-C ends an evaluation with a report of what there is", () =>
  withFolder(async (folder) => {
    const out = `${folder}/out`;
    const args = [...await prepared(folder), "--max-tokens", "60", "--gamma", "auto", "--out", out];
    const child = startCommand("evaluate", args);
    await child.stdin.close();
    const lines = async () =>
      (await Deno.readTextFile(`${out}/results.jsonl`).catch(() => "")).split("\n").length;
    while (await lines() < 6) await new Promise((wait) => setTimeout(wait, 5));
    child.kill("SIGINT");
    const { code, stderr } = await outcomeOf(child);
    assertEquals(code, 130, stderr);
    const { rows } = JSON.parse(await Deno.readTextFile(`${out}/report.json`));
    assert(rows.length > 0);
  }));
