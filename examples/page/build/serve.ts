/**
 * A server of a static folder on this machine.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";

/** Headers that isolate a page from others, without which browsers share no memory with threads. */
export const ISOLATION_HEADERS = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
} as const;

const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
};

/** How to serve. */
export interface ServeOptions {
  /** 0 for any free port. */
  readonly port: number;
  /** Sent with every answer. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A server that runs until it is shut down. */
export interface PageServer {
  /** Where the page is. */
  readonly url: string;
  shutdown(): Promise<void>;
}

/** The path within the folder that a request names; undefined for one that would lead out of it. */
function pathIn(request: Request): string | undefined {
  try {
    const path = decodeURIComponent(new URL(request.url).pathname);
    if (/(^|[/\\])\.|\\|\0/.test(path)) return undefined;
    return path.endsWith("/") ? `${path}index.html` : path;
  } catch {
    return undefined;
  }
}

async function answer(
  folder: string,
  request: Request,
  headers: ServeOptions["headers"],
): Promise<Response> {
  const path = pathIn(request);
  const missing = () => new Response("not found\n", { status: 404, headers });
  if (path === undefined) return missing();
  try {
    const file = await Deno.open(`${folder}${path}`);
    const { size, isFile } = await file.stat();
    if (!isFile) {
      file.close();
      return missing();
    }
    const type = TYPES[path.replace(/^.*\./s, "")] ?? "application/octet-stream";
    const own = { "content-type": type, "content-length": `${size}`, "cache-control": "no-cache" };
    return new Response(file.readable, { headers: { ...headers, ...own } });
  } catch {
    return missing();
  }
}

/**
 * Serves a folder to this machine only.
 *
 * @throws OutriderError where the port is taken or may not be used
 */
export function serveFolder(folder: string, { port, headers }: ServeOptions): PageServer {
  const hostname = "localhost";
  try {
    const server = Deno.serve(
      { port, hostname, onListen: () => {} },
      (request) => answer(folder, request, headers),
    );
    return { url: `http://${hostname}:${server.addr.port}/`, shutdown: () => server.shutdown() };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OutriderError(`port ${port} for the page`, reason, "choose another by --port");
  }
}
