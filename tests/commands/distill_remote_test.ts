/** A server writes a distillation set: through failures, a Ctrl-C and a second run. */
import { assert, assertEquals, assertFalse } from "@std/assert";
import { openDistillationSet } from "../../src/data/mod.ts";
import { type Behaviour, faultyServer } from "../data/faulty_server.ts";
import { jsonOf, outcomeOf, runCommand, startCommand } from "./run_command.ts";
import { writeTinyModel } from "./tiny_target.ts";

const KEY_NAME = "OUTRIDER_TEST_KEY";
const KEY = "key-that-nobody-may-see";

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  Deno.env.set(KEY_NAME, KEY);
  try {
    await use(folder);
  } finally {
    Deno.env.delete(KEY_NAME);
    await Deno.remove(folder, { recursive: true });
  }
}

const INSTRUCTIONS = Array.from({ length: 30 }, (_, i) => `Say ${i}.`);

function behave(prompt: string, attempt: number): Behaviour {
  const number = INSTRUCTIONS.indexOf(prompt);
  if (number === 7) return { kind: "status", status: 400, body: "not this one" };
  if (number % 3 === 0 && attempt === 0) return { kind: "drop" };
  return { kind: "answer", text: `${number}`, finish: number === 9 ? "length" : "stop" };
}

async function argumentsFor(folder: string, url: string): Promise<string[]> {
  const lines = INSTRUCTIONS.map((instruction) => JSON.stringify({ instruction }));
  await Deno.writeTextFile(`${folder}/prompts.jsonl`, lines.join("\n"));
  await writeTinyModel(`${folder}/target.gguf`);
  return [
    ["--server", url, "--model", "some-model", "--target", `${folder}/target.gguf`],
    ["--prompts", `${folder}/prompts.jsonl`, "--out", `${folder}/set`, "--requests", "3"],
    ["--api-key-env", KEY_NAME],
  ].flat();
}

Deno.test("a server's answers become a set; a run that was interrupted goes on, asking for nothing twice", () =>
  inFolder(async (folder) => {
    const { promise: halfWay, resolve } = Promise.withResolvers<void>();
    let requests = 0;
    await using server = faultyServer(behave, () => {
      if (++requests === 15) resolve();
      return requests > 15 ? 200 : 5;
    });
    const args = await argumentsFor(folder, server.url);
    const child = startCommand("distill_remote", args);
    await child.stdin.close();
    await halfWay;
    child.kill("SIGINT");
    const first = await outcomeOf(child);
    assertEquals(first.code, 130, first.stderr);
    requests = -1000;
    const report = await jsonOf<Record<string, unknown>>("distill_remote", args);
    assertEquals(report.answers, INSTRUCTIONS.length);
    const set = await openDistillationSet(`${folder}/set`);
    assertEquals(set.corpus.length, INSTRUCTIONS.length - 1, "one prompt was refused");
    assertEquals(set.manifest.dtype, "some-model on a server");
    set.close();
    const answered = server.seen.filter(({ behaviour }) => behaviour.kind === "answer");
    // The three requests that were open at Ctrl-C may have been asked for again.
    assert(answered.length <= INSTRUCTIONS.length - 1 + 3, `${answered.length}`);
    assert(server.seen.every(({ headers }) => headers.includes(`Bearer ${KEY}`)));
    for await (const { name } of Deno.readDir(`${folder}/set`)) {
      assertFalse((await Deno.readTextFile(`${folder}/set/${name}`)).includes(KEY));
    }
    const before = server.seen.length;
    assertEquals(await jsonOf("distill_remote", args), { ...report, refused: 0 });
    assertEquals(server.seen.length, before, "a finished set asks for nothing");
  }));

Deno.test("a server that refuses the key is one line, which does not show it", () =>
  inFolder(async (folder) => {
    await using server = faultyServer(() => ({ kind: "status", status: 401, body: `bad: ${KEY}` }));
    const args = await argumentsFor(folder, server.url);
    const { code, stdout, stderr } = await runCommand("distill_remote", args);
    assertEquals([code, stdout], [1, ""]);
    assert(
      /^error: expected an answer from http.*status 401: bad: \*\*\*; .*$/m.test(stderr),
      stderr,
    );
    assertFalse(stderr.includes(KEY));
    const unset = args.map((text) => text === KEY_NAME ? "NO_SUCH_VARIABLE" : text);
    const other = await runCommand("distill_remote", unset);
    assertEquals(other.code, 1);
    assert(other.stderr.includes("NO_SUCH_VARIABLE"), other.stderr);
  }));
