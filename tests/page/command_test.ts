/** The command that builds and serves the page: files, headers, errors in one line. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ISOLATION_HEADERS, serveFolder } from "../../examples/page/build/serve.ts";
import { runCommand, startCommand } from "../commands/run_command.ts";
import { withFolder } from "../io/with_folder.ts";

async function statusOf(url: string): Promise<number> {
  const answer = await fetch(url);
  await answer.body?.cancel();
  return answer.status;
}

Deno.test("a folder is served with isolation headers and types, and nothing outside of it", () =>
  withFolder(async (parent) => {
    const folder = `${parent}/page`;
    await Deno.mkdir(`${folder}/models`, { recursive: true });
    await Deno.writeTextFile(`${folder}/index.html`, "<p>page</p>");
    await Deno.writeTextFile(`${folder}/models/m.gguf`, "GGUF");
    await Deno.writeTextFile(`${folder}/.hidden`, "no");
    await Deno.writeTextFile(`${parent}/secret`, "no");
    const server = serveFolder(folder, { port: 0, headers: ISOLATION_HEADERS });
    const page = await fetch(server.url);
    assertEquals(await page.text(), "<p>page</p>");
    assertEquals(page.headers.get("content-type"), "text/html; charset=utf-8");
    for (const [name, value] of Object.entries(ISOLATION_HEADERS)) {
      assertEquals(page.headers.get(name), value);
    }
    assertEquals(await statusOf(`${server.url}models/m.gguf`), 200);
    const outside = ["..%2fsecret", "%2e%2e/secret", "models/..%2f..%2fsecret", ".hidden", "%ff"];
    for (const path of [...outside, "none", "models", "..%5csecret", "%00"]) {
      assertEquals(await statusOf(server.url + path), 404, path);
    }
    await server.shutdown();
  }));

Deno.test("a port that is taken and a folder that cannot be are refused in one line", () =>
  withFolder(async (folder) => {
    const server = serveFolder(folder, { port: 0, headers: {} });
    const { port } = new URL(server.url);
    await Deno.writeTextFile(`${folder}/file`, "");
    const inputs: readonly (readonly [readonly string[], RegExp])[] = [
      [["--serve", "--port", port, "--out", `${folder}/out`], /port \d+ for the page/],
      [["--out", `${folder}/file`], /a folder to write to at .*file/],
      [["--port", "70000"], /an integer from 0 to 65535 for --port/],
      [["stray"], /flags only/],
    ];
    for (const [args, message] of inputs) {
      const { code, stdout, stderr } = await runCommand("page", args);
      assertEquals([code, stdout], [1, ""], stderr);
      assertMatch(stderr, /^error: expected [^\n]+, found [^\n]+; [^\n]+\n$/);
      assertMatch(stderr, message);
    }
    await server.shutdown();
  }));

/** Reads what the command prints up to the address of the page. */
async function findUrl(output: ReadableStreamDefaultReader<string>): Promise<string> {
  let text = "";
  for (let read = await output.read(); !read.done; read = await output.read()) {
    text += read.value;
    const url = /(http:\S+) \(Ctrl-C/.exec(text)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error(`an address, not ${text}`);
}

Deno.test({
  name: "the page is built of bundles that need nothing of Deno, and served until the command ends",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFolder(async (folder) => {
      const child = startCommand("page", ["--serve", "--port", "0", "--out", `${folder}/page`]);
      const errors = new Response(child.stderr).text();
      const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      const url = await findUrl(output);
      for (const path of ["", "style.css", "models/embedded.gguf"]) {
        assertEquals(await statusOf(url + path), 200, path);
      }
      for (const name of ["main.js", "worker.js"]) {
        const bundle = await (await fetch(url + name)).text();
        const foreign = /\bDeno\.|["']node:|\brequire\(|\bimport\s*["'{*(]/g;
        assertEquals(bundle.match(foreign), null, name);
      }
      const drafts = await (await fetch(`${url}drafts/index.json`)).json();
      assert(Array.isArray(drafts) && drafts.length > 0);
      for (const { file } of drafts) {
        assertEquals(await statusOf(`${url}drafts/${file}`), 200, file);
      }
      child.kill("SIGTERM");
      await child.stdin.close();
      assertEquals((await child.status).code, 143, await errors);
      await output.cancel();
    }),
});
