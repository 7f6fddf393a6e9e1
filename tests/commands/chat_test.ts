/** chat: one answer, or a talk line by line. */
import { assert, assertEquals } from "@std/assert";
import { withFolder } from "../io/with_folder.ts";
import { jsonOf, runCommand } from "./run_command.ts";
import { writeTinyModel } from "./tiny_target.ts";

interface Message {
  readonly role: string;
  readonly content: string;
}

Deno.test("chat answers one prompt as generate does, and a talk turn by turn", () =>
  withFolder(async (folder) => {
    const target = `${folder}/tiny.gguf`;
    await writeTinyModel(target);
    const common = ["--target", target, "--max-tokens", "8", "--system", "Be brief."];
    const one = await runCommand("chat", [...common, "--prompt", "Hi"]);
    const { text } = await jsonOf<{ text: string }>("generate", [...common, "--prompt", "Hi"]);
    assertEquals([one.code, one.stdout], [0, `${text}\n`]);
    assert(/^\[8 tokens, [\d.]+ per second, 1\.00 per pass\]\n$/.test(one.stderr), one.stderr);
    const talk = await runCommand("chat", [...common, "--json"], "Hi\nAnd now?\n\nnever read\n");
    assertEquals(talk.code, 0, talk.stderr);
    const { messages }: { messages: readonly Message[] } = JSON.parse(talk.stdout);
    assertEquals(
      messages.map(({ role }) => role),
      ["system", "user", "assistant", "user", "assistant"],
    );
    assertEquals(messages[1].content, "Hi");
    assertEquals(messages[2].content, text, "the first turn is the same answer");
    assertEquals(messages[3].content, "And now?");
    const drafted = await runCommand(
      "chat",
      [...common, "--json", "--draft", "lookup"],
      "Hi\nAnd now?",
    );
    assertEquals(JSON.parse(drafted.stdout), JSON.parse(talk.stdout));
  }));

Deno.test("a talk that outgrows the context ends with one clear line", () =>
  withFolder(async (folder) => {
    const target = `${folder}/tiny.gguf`;
    await writeTinyModel(target, { contextLength: 64 });
    const lines = "Tell me a story about a river.\n".repeat(20);
    const { code, stderr } = await runCommand("chat", ["--target", target], lines);
    assertEquals(code, 1);
    const last = stderr.trimEnd().split("\n").at(-1) ?? "";
    assert(/^error: expected .*at most 64 tokens.*, found \d+; /.test(last), last);
  }));
