/** The whole recipe with one command, and stopped in the middle of it. */
import { assert, assertEquals } from "@std/assert";
import { withFolder } from "../io/with_folder.ts";
import { jsonOf, outcomeOf, startCommand } from "./run_command.ts";
import { writeTinyModel } from "./tiny_target.ts";

const SIZES = [
  ...["--text", "language", "--answers", "12", "--max-tokens", "10", "--keep-tokens", "24"],
  ...["--layers", "1", "--pretrain-steps", "6", "--finetune-steps", "6", "--rows", "128"],
];

async function bytesOf(path: string): Promise<Uint8Array> {
  return await Deno.readFile(path);
}

Deno.test("align gives a trimmed draft and its report; stopped anywhere, it goes on to the same", () =>
  withFolder(async (folder) => {
    const target = `${folder}/tiny.gguf`;
    await writeTinyModel(target);
    const args = (out: string) => ["--target", target, ...SIZES, "--out", `${folder}/${out}`];
    const whole = await jsonOf<{ draft: string; report: string }>("align", args("whole"));
    assertEquals(whole.draft, `${folder}/whole/finetune/draft.safetensors`);
    const report = await Deno.readTextFile(`${whole.report}/report.md`);
    assert(report.includes("tvd++") && report.includes("base"));
    const stopped = startCommand("align", args("stopped"));
    const isThere = async (path: string) => await Deno.stat(path).then(() => true, () => false);
    while (!await isThere(`${folder}/stopped/pretrain/metrics.jsonl`)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    stopped.kill("SIGINT");
    const { code, stderr } = await outcomeOf(stopped);
    assertEquals(code, 130, stderr);
    assert(!await isThere(`${folder}/stopped/finetune`));
    const again = await jsonOf<{ draft: string }>("align", args("stopped"));
    assertEquals(await bytesOf(again.draft), await bytesOf(whole.draft));
  }));
