/**
 * A chat completions server on raw connections, for tests: it answers as it is told, or fails in any
 * of the ways in which servers fail.
 */

/** What became of one request. */
export type Behaviour =
  | { readonly kind: "answer"; readonly text: string; readonly finish?: string }
  /** A status with a body, and with a `Retry-After` header. */
  | {
    readonly kind: "status";
    readonly status: number;
    readonly body?: string;
    readonly after?: string;
  }
  /** Closes the connection without a word. */
  | { readonly kind: "drop" }
  /** Announces more bytes than it sends. */
  | { readonly kind: "truncate" }
  /** A whole answer that is no JSON, or not the JSON of an answer. */
  | { readonly kind: "malformed"; readonly body: string }
  /** Begins to answer, then sends nothing until the client goes away. */
  | { readonly kind: "hang" };

/** One request as the server saw it. */
export interface SeenRequest {
  /** The last message. */
  readonly prompt: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: string;
  /** How many requests for the same prompt came before. */
  readonly attempt: number;
  /** When it was there, in milliseconds. */
  readonly time: number;
  readonly behaviour: Behaviour;
}

export interface FaultyServer extends AsyncDisposable {
  readonly url: string;
  readonly seen: readonly SeenRequest[];
  /** The most requests that were open together; those that hang count for the first moment only. */
  readonly mostOpen: () => number;
}

const encoder = new TextEncoder();

/** The head and the body of a request. */
async function readRequest(connection: Deno.Conn): Promise<[string, string]> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(65_536);
  let text = "";
  while (true) {
    const end = text.indexOf("\r\n\r\n");
    const length = Number(text.match(/content-length: (\d+)/i)?.[1] ?? 0);
    if (end >= 0 && text.length >= end + 4 + length) {
      return [text.slice(0, end), text.slice(end + 4)];
    }
    const count = await connection.read(buffer);
    if (count === null) throw new Error("the client went away");
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
}

function httpOf(status: number, body: string, { after = "", extra = 0 } = {}): Uint8Array {
  const length = encoder.encode(body).length + extra;
  const retry = after === "" ? "" : `retry-after: ${after}\r\n`;
  return encoder.encode(
    `HTTP/1.1 ${status} Status\r\ncontent-length: ${length}\r\n${retry}connection: close\r\n\r\n${body}`,
  );
}

function bytesOf(behaviour: Behaviour): Uint8Array {
  switch (behaviour.kind) {
    case "answer": {
      const { text, finish = "stop" } = behaviour;
      const choices = [{ message: { role: "assistant", content: text }, finish_reason: finish }];
      return httpOf(200, JSON.stringify({ choices }));
    }
    case "status":
      return httpOf(behaviour.status, behaviour.body ?? "", behaviour);
    case "malformed":
      return httpOf(200, behaviour.body);
    case "truncate":
      return httpOf(200, '{"choices":[{"message":{"content":"half of', { extra: 100 });
    case "hang":
      return httpOf(200, '{"choices":', { extra: 1000 });
    case "drop":
      return new Uint8Array();
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/**
 * Starts the server.
 *
 * @param behave what it does with a prompt's request number `attempt`, from 0
 * @param delay milliseconds before each answer
 */
export function faultyServer(
  behave: (prompt: string, attempt: number) => Behaviour,
  delay: () => number = () => 0,
): FaultyServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const seen: SeenRequest[] = [];
  let [open, mostOpen] = [0, 0];
  const serve = async (connection: Deno.Conn): Promise<void> => {
    const [headers, text] = await readRequest(connection);
    const body = JSON.parse(text);
    const prompt: string = body.messages.at(-1).content;
    const attempt = seen.filter((one) => one.prompt === prompt).length;
    const behaviour = behave(prompt, attempt);
    seen.push({ prompt, body, headers, attempt, time: performance.now(), behaviour });
    mostOpen = Math.max(mostOpen, ++open);
    await new Promise((resolve) => setTimeout(resolve, delay()));
    open--;
    await writeAll(connection, bytesOf(behaviour));
    if (behaviour.kind === "hang") { while (await connection.read(new Uint8Array(1)) !== null); }
  };
  const connections: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) {
      // A client that has had enough closes the connection in the middle of anything.
      const served = serve(connection).catch(() => {}).finally(() => connection.close());
      connections.push(served);
    }
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    seen,
    mostOpen: () => mostOpen,
    [Symbol.asyncDispose]: async () => {
      listener.close();
      await accepting;
      await Promise.all(connections);
    },
  };
}
