/** Results on disk: what was appended stays, whatever ends the process and wherever. */
import { assertEquals, assertRejects } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { openResults, resultsInMemory, runEvaluation } from "../../src/evaluate/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { COLD, HEAD, smallPlan } from "./small_plan.ts";

/** The file of a small evaluation. */
async function writtenTo(path: string): Promise<string> {
  const results = await openResults(path, HEAD);
  await runEvaluation(smallPlan({ prompts: 1 }), results, COLD);
  await results.close();
  return await Deno.readTextFile(path);
}

Deno.test("results are read as they were appended", () =>
  withFolder(async (folder) => {
    const path = `${folder}/results.jsonl`;
    const text = await writtenTo(path);
    const again = await openResults(path, HEAD);
    const lines = [HEAD, ...again.records()].map((value) => `${JSON.stringify(value)}\n`);
    await again.close();
    assertEquals(lines.join(""), text);
    assertEquals(await Deno.readTextFile(path), text, "opening changes nothing");
  }));

Deno.test("cut at any byte, the complete lines stay and the run goes on", () =>
  withFolder(async (folder) => {
    const whole = await writtenTo(`${folder}/whole.jsonl`);
    const path = `${folder}/cut.jsonl`;
    const ends = [...whole.matchAll(/\n/g)].map(({ index }) => index + 1);
    const cuts = [0, 1, ends[0] - 1, ends[0], ends[0] + 40, ends[3] - 1, ends[3], whole.length - 1];
    for (const cut of cuts) {
      await Deno.writeTextFile(path, whole.slice(0, cut));
      const results = await openResults(path, HEAD);
      const complete = ends.filter((end) => end <= cut).length;
      assertEquals(results.records().length, Math.max(0, complete - 1), `cut at ${cut}`);
      await runEvaluation(smallPlan({ prompts: 1 }), results, COLD);
      await results.close();
      const again = await openResults(path, HEAD);
      const drafted = again.records().filter(({ arm }) => arm !== undefined);
      assertEquals(drafted.length, 2 * 2 * 4);
      await again.close();
    }
  }));

Deno.test("results with other options are refused and left as they are", () =>
  withFolder(async (folder) => {
    const path = `${folder}/results.jsonl`;
    const text = await writtenTo(path);
    for (const [name, value] of Object.entries({ seed: 2, maxTokens: 99, target: "other" })) {
      await assertRejects(
        () => openResults(path, { ...HEAD, [name]: value }),
        OutriderError,
        `results with ${name} ${value}, found some with ${name}`,
      );
    }
    assertEquals(await Deno.readTextFile(path), text);
  }));

Deno.test("a damaged line, another file, and a folder that is not there are refused", () =>
  withFolder(async (folder) => {
    const path = `${folder}/results.jsonl`;
    const lines = (await writtenTo(path)).split("\n");
    const damages = ["{}", "not JSON", lines[1].replace('"tokens":', '"token":'), lines[0]];
    for (const damage of damages) {
      const text = [lines[0], lines[1], damage, lines[2], ""].join("\n");
      await Deno.writeTextFile(path, text);
      await assertRejects(() => openResults(path, HEAD), OutriderError, "line 3");
      assertEquals(await Deno.readTextFile(path), text);
    }
    await Deno.writeTextFile(path, '{"instruction":"x"}\n');
    await assertRejects(() => openResults(path, HEAD), OutriderError, "line 1");
    await assertRejects(() => openResults(`${folder}/no/results.jsonl`, HEAD), OutriderError);
  }));

Deno.test("results in memory are those of a file", () =>
  withFolder(async (folder) => {
    const memory = resultsInMemory(HEAD);
    await runEvaluation(smallPlan({ prompts: 1 }), memory, COLD);
    await writtenTo(`${folder}/results.jsonl`);
    const file = await openResults(`${folder}/results.jsonl`, HEAD);
    const digests = (records: typeof memory) => records.records().map(({ digest }) => digest);
    assertEquals(digests(memory), digests(file));
    await file.close();
  }));
