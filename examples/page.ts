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

/** Waits until the command is told to stop. */
function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

/** Builds the page and says so. */
async function build(out: string, { print }: CommandContext): Promise<readonly string[]> {
  const files = await buildPage(out);
  print(`${out}: ${files.length} files\n`);
  return files;
}

await runCommand({
  name: "deno task page",
  summary: "Builds the browser page: a chat, plain and speculative side by side.",
  flags,
  examples: ["deno task page --out dist/page", "deno task page --serve --port 8080"],
}, async ({ out, serve, port }, context) => {
  if (!serve) return { out, files: await build(out, context) };
  // A port that is taken is found out before the work.
  const { url, shutdown } = serveFolder(out, { port, headers: ISOLATION_HEADERS });
  const files = await build(out, context);
  context.print(`${url} (Ctrl-C stops)\n`);
  await stopped(context.signal);
  await shutdown();
  return { out, files, url };
});
