import { assert, assertEquals } from "@std/assert";

Deno.test("a real process prints one line on stderr and exits with the code", async () => {
  const module = new URL("../../src/cli/mod.ts", import.meta.url).href;
  const script = `import { integer, runCommand } from "${module}";
    const flags = { count: integer({ help: "how many", default: 1 }) };
    await runCommand({ name: "x", summary: "X.", flags }, async ({ count }, { print }) => {
      if (count === 2) await Deno.readTextFile("there-is-no-such-file");
      for (let i = 0; i < 100_000; i++) print("line\\n");
    });`;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, script);
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const outcome = async (command: string): Promise<readonly [number, string, string]> => {
    const process = new Deno.Command("sh", {
      args: ["-c", command.replace("RUN", `"${Deno.execPath()}" run -A -c "${config}" "${file}"`)],
    });
    const { code, stdout, stderr } = await process.output();
    const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    return [code, decode(stdout), decode(stderr).replaceAll(/^.*(Check|Download).*\n/gm, "")];
  };
  const [missing, , missingError] = await outcome("RUN --count 2");
  assertEquals(missing, 1);
  assert(
    /^error: expected a file that exists, found .*there-is-no-such-file.*\n$/.test(missingError),
  );
  const [unknown, , unknownError] = await outcome("RUN --cuont 2");
  assertEquals([unknown, unknownError], [
    2,
    "error: unknown flag --cuont; did you mean --count?\n",
  ]);
  const [, head, headError] = await outcome("RUN | head -n 1");
  assertEquals([head, headError], ["line\n", ""]);
  await Deno.remove(file);
});
