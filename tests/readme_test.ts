import { assert, assertEquals, assertMatch } from "@std/assert";

const ROOT = new URL("..", import.meta.url);
const README = await Deno.readTextFile(new URL("README.md", ROOT));

/** The first TypeScript block, and the output block that follows it. */
const [, code = "", output = ""] = README.match(/```ts\n(.*?)```.*?```text\n(.*?)```/s) ?? [];

async function embeddedModelIsThere(): Promise<boolean> {
  try {
    return (await Deno.stat(new URL("src/data/embedded/embedded.gguf", ROOT))).isFile;
  } catch {
    return false;
  }
}

async function run(source: string): Promise<{ text: string; errors: string; code: number }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--check", "-A", "--ext=ts", "-"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(source));
  await writer.close();
  const { stdout, stderr, code } = await child.output();
  const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { text: decode(stdout), errors: decode(stderr), code };
}

Deno.test("README's library example is at most 15 lines of code", () => {
  const lines = code.split("\n").filter((line) => line.trim() !== "");
  assert(lines.length > 0 && lines.length <= 15, `${lines.length} lines`);
  assertMatch(code, /from "@outrider\/outrider"/);
});

Deno.test({
  name: "README's library example runs and prints what README says (needs the embedded model)",
  ignore: !await embeddedModelIsThere(),
  fn: async () => {
    const { text, errors, code: exit } = await run(code);
    assertEquals([exit, text], [0, output], errors);
  },
});
