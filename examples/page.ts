/**
 * Builds the browser page into a static folder, and serves it.
 *
 *     deno task page --serve
 *
 * @module
 */
import { type CommandContext, integer, runCommand, text, toggle } from "@outrider/outrider/cli";
import { buildPage } from "./page/build/build_page.ts";
import { ISOLATION_HEADERS, serveFolder } from "./page/build/serve.ts";

const flags = {
  out: text({ placeholder: "DIR", default: "dist/page", help: "the folder to write to" }),
  serve: toggle({ help: "serve it to this machine until Ctrl-C, so that threads share memory" }),
  port: integer({ default: 8080, minimum: 0, maximum: 65535, help: "where; 0 is any free port" }),
  json: toggle({ help: "print one JSON object" }),
};

/** Serves the folder until the command is told to stop. */
async function serveUntilStopped(
  folder: string,
  port: number,
  { signal, print }: CommandContext,
): Promise<string> {
  const { url, shutdown } = serveFolder(folder, { port, headers: ISOLATION_HEADERS });
  print(`${url} (Ctrl-C stops)\n`);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
  await shutdown();
  return url;
}

await runCommand({
  name: "deno task page",
  summary: "Builds the browser page: a chat, plain and speculative side by side.",
  flags,
  examples: ["deno task page --out dist/page", "deno task page --serve --port 8080"],
}, async ({ out, serve, port }, context) => {
  const files = await buildPage(out);
  context.print(`${out}: ${files.length} files\n`);
  const url = serve ? await serveUntilStopped(out, port, context) : undefined;
  return { out, files, url };
});
