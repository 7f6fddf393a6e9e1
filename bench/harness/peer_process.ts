/**
 * A rival in a process of its own, driven by lines of JSON over its standard input and output, so
 * that starting and loading are not timed and both sides take turns in one run.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";

/** What a rival answers. */
export type Reply = Readonly<Record<string, unknown>>;

/** A running rival. */
export interface Peer {
  readonly name: string;
  /** What it said of itself when it was ready, such as versions. */
  readonly greeting: Reply;
  /** Sends a request and waits for the answer; an answer `{ error }` rejects. */
  readonly ask: (request: object) => Promise<Reply>;
  /** Ends the process. */
  readonly close: () => Promise<void>;
}

/** How to start a rival. */
export interface PeerCommand {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Environment variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

const MOST_LINES_OF_ERRORS = 40;

async function* textOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for await (const bytes of stream) yield decoder.decode(bytes, { stream: true });
}

/** The last lines that a process wrote to standard error, for the message if it dies. */
async function lastLines(stream: ReadableStream<Uint8Array>, lines: string[]): Promise<void> {
  for await (const text of textOf(stream)) {
    lines.push(...text.split("\n").filter((line) => line.trim() !== ""));
    lines.splice(0, lines.length - MOST_LINES_OF_ERRORS);
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of textOf(stream)) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** Starts a rival and waits until it says that it is ready, by a first line of JSON. */
export async function startPeer({ name, program, args, cwd, env }: PeerCommand): Promise<Peer> {
  const child = new Deno.Command(program, {
    args: [...args],
    cwd,
    env: { ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors: string[] = [];
  const errorsRead = lastLines(child.stderr, errors);
  const replies = linesOf(child.stdout);
  const writer = child.stdin.getWriter();

  const next = async (): Promise<Reply> => {
    while (true) {
      const { value, done } = await replies.next();
      if (done === true) {
        await errorsRead;
        throw new OutriderError(`an answer of ${name}`, errors.at(-1) ?? "its end", "run it alone");
      }
      // Libraries print notes of their own on standard output; answers are objects.
      if (!value.startsWith("{")) continue;
      const reply: Record<string, unknown> = JSON.parse(value);
      if (reply.error === undefined) return reply;
      throw new OutriderError(`an answer of ${name}`, String(reply.error), "see its message");
    }
  };

  return {
    name,
    greeting: await next(),
    ask: async (request) => {
      await writer.write(new TextEncoder().encode(`${JSON.stringify(request)}\n`));
      return await next();
    },
    close: async () => {
      await writer.close().catch(() => {});
      await child.status;
      await errorsRead;
    },
  };
}

/** A number in an answer. */
export function numberIn(reply: Reply, field: string): number {
  const value = reply[field];
  if (typeof value === "number") return value;
  throw new OutriderError(`a number ${field}`, JSON.stringify(reply), "check the peer's script");
}

/** A list of numbers in an answer. */
export function numbersIn(reply: Reply, field: string): number[] {
  const value = reply[field];
  if (Array.isArray(value) && value.every((one) => typeof one === "number")) return value;
  throw new OutriderError(`numbers ${field}`, JSON.stringify(reply), "check the peer's script");
}
