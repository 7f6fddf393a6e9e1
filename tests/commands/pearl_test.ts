/** pearl: a target in a worker writes what it writes without a draft. */
import { assert, assertEquals } from "@std/assert";
import { withFolder } from "../io/with_folder.ts";
import { jsonOf } from "./run_command.ts";
import { writeTinyModel } from "./tiny_target.ts";

interface Report {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly blockEfficiency: number;
  readonly acceptance: number;
}

Deno.test("pearl writes the plain greedy text, whatever drafts and however long", () =>
  withFolder(async (folder) => {
    const target = `${folder}/tiny.gguf`;
    await writeTinyModel(target);
    const common = ["--target", target, "--prompt", "river, and river", "--max-tokens", "24"];
    const plain = await jsonOf<Report>("generate", common);
    const byLookup = await jsonOf<Report>("pearl", [
      ...common,
      "--draft",
      "lookup",
      "--gamma",
      "3",
    ]);
    assertEquals([byLookup.text, byLookup.tokens], [plain.text, plain.tokens]);
    const itself = await jsonOf<Report>("pearl", [...common, "--draft", target, "--threads", "2"]);
    assertEquals([itself.text, itself.tokens], [plain.text, plain.tokens]);
    assert(itself.acceptance === 1 && itself.blockEfficiency > 1);
    const sampled = ["--draft", target, "--temperature", "1"];
    const [short, long] = [
      await jsonOf<Report>("pearl", [...common, ...sampled, "--gamma", "2"]),
      await jsonOf<Report>("pearl", [...common, ...sampled, "--gamma", "auto"]),
    ];
    assertEquals(short.tokens, long.tokens, "a sampled text does not depend on the draft's length");
  }));
