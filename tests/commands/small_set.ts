/** A distillation set of one answer, for commands that want one. */
import { type DistillationEntry, openSetWriter } from "../../src/data/mod.ts";
import { openModel, resolveModel } from "../../src/io/mod.ts";

/** Writes a set of a target in a new folder and gives its path. */
export async function writeSmallSet(
  folder: string,
  target: string,
  entry: Pick<DistillationEntry, "prompt" | "response">,
): Promise<string> {
  await Deno.mkdir(folder);
  const { tokenizer, config, close } = await openModel(await resolveModel(target));
  const writer = await openSetWriter(folder, {
    version: 1,
    target,
    dtype: "keep",
    tokenizerHash: tokenizer.hash,
    templateHash: "none",
    vocabulary: config.vocabulary,
    prompts: "one",
    maximumPrompt: 64,
    maximumTokens: 64,
    temperatures: [0],
    topP: 1,
    seed: 1,
    teacherTokens: 0,
    entriesPerShard: 10,
  });
  await writer.append({ ...entry, temperature: 0, topP: 1, seed: 1 });
  await writer.close();
  close();
  return folder;
}
