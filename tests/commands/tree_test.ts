/** tree: trees of drafts and of block drafters beside chains, and plain texts every time. */
import { assert, assertEquals } from "@std/assert";
import { withFolder } from "../io/with_folder.ts";
import { inPairs, jsonOf, runCommand } from "./run_command.ts";
import { writePlacesDraft } from "./tiny_places_draft.ts";
import { writeTinyModel } from "./tiny_target.ts";

interface Way {
  readonly name: string;
  readonly nodes: number;
  readonly tau: number;
  readonly equalTexts?: number;
  readonly texts: number;
}

interface Report {
  readonly prompts: number;
  readonly results: readonly {
    readonly temperature: number;
    readonly ways: readonly Way[];
    readonly verdict: string;
  }[];
}

const SIZES = ["--budgets", "1,6,auto", "--gamma", "2", "--count", "2", "--max-tokens", "12"];

function withModels(use: (target: string, draft: string) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const [target, draft] = [`${folder}/tiny.gguf`, `${folder}/draft.safetensors`];
    await writeTinyModel(target);
    await writePlacesDraft(draft, target);
    await use(target, draft);
  });
}

Deno.test("trees of every drafter write plain texts, or of their law where drafts are drawn", () =>
  withModels(async (target, draft) => {
    await inPairs([[draft], ["self:1"], [target]], async ([name]) => {
      const { prompts, results } = await jsonOf<Report>("tree", [
        ...["--target", target, "--draft", name, ...SIZES],
      ]);
      assertEquals(results.map(({ temperature }) => temperature), [0, 1]);
      const trees = ["tree 1", "tree 6", "tree auto"];
      const names = results.map(({ ways }) => ways.map((way) => way.name));
      assertEquals(names, [
        ["chain 2", ...trees],
        ["chain 2", ...trees, "drawn tree 1", "drawn tree 6"],
      ]);
      for (const { temperature, ways, verdict } of results) {
        for (const way of ways) {
          const isDrawn = temperature > 0 && !trees.includes(way.name);
          assertEquals(way.equalTexts, isDrawn ? undefined : prompts, `${name}, ${way.name}`);
          assert(way.tau >= 1 && way.nodes <= 7, `${name}, ${way.name}`);
        }
        assert(verdict.includes("times the tokens per pass of chain 2"), verdict);
      }
      const [{ ways: [chain] }] = results;
      // A draft that is the target has all of a chain accepted.
      if (name === target) assert(chain.tau > 2);
    });
  }));

Deno.test("without --json a table and a verdict for each temperature are printed", () =>
  withModels(async (target, draft) => {
    const flags = ["--target", target, "--draft", draft, ...SIZES, "--temperatures", "0"];
    const { code, stdout, stderr } = await runCommand("tree", flags);
    assertEquals(code, 0, stderr);
    const lines = stdout.split("\n");
    assertEquals(lines[0], "T=0");
    assert(lines[1].startsWith("way ") && lines[1].includes("pass that pays"), stdout);
    assert(lines.some((line) => /^tree 6 .* 2\/2/.test(line)), stdout);
    assert(/Fastest: .*, \d+\.\d\d times plain\./.test(stdout), stdout);
  }));
