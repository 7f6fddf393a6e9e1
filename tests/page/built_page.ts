/** The page, built once for a test file, and a server of it. */
import { buildPage } from "../../examples/page/build/build_page.ts";
import { type PageServer, serveFolder } from "../../examples/page/build/serve.ts";

/** Serves the built page below a folder of its own, as a static host would; removes it afterwards. */
export async function withBuiltPage(
  use: (serve: (headers: Readonly<Record<string, string>>) => PageServer) => Promise<void>,
): Promise<void> {
  const root = await Deno.makeTempDir();
  const servers: PageServer[] = [];
  try {
    await buildPage(`${root}/somewhere`);
    await use((headers) => {
      const server = serveFolder(root, { port: 0, headers });
      servers.push(server);
      return { ...server, url: `${server.url}somewhere/` };
    });
  } finally {
    for (const server of servers) await server.shutdown();
    await Deno.remove(root, { recursive: true });
  }
}
