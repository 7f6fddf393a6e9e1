/**
 * A language model that runs in a worker, so that the program's own thread is free meanwhile.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import { type LanguageModel, logitsOf } from "../language_model.ts";
import { type UseOnce, useOnce } from "../use_once.ts";
import { errorOf, type ModelPort, type ModelReply, type ModelRequest } from "./protocol.ts";

/** The cache of a {@link workerModel}: a number, by which the worker knows the real one. */
export interface WorkerCache {
  /** The worker's name for it. */
  readonly number: number;
  /** Rows that it holds. */
  readonly length: number;
  /** Taken by the call that consumed this cache. */
  readonly mark: UseOnce;
}

/** Who waits for the reply to a pass. */
interface Waiting {
  readonly passed: (logits: readonly Float32Array[]) => void;
  readonly failed: (error: Error) => void;
}

/** The channel as seen from here: passes that are on their way, and what has become of the worker. */
interface Channel {
  readonly send: (request: ModelRequest) => void;
  readonly forward: (
    request: ModelRequest & { readonly kind: "forward" },
  ) => Promise<readonly Float32Array[]>;
  readonly sizes: Promise<Pick<LanguageModel<WorkerCache>, "vocabulary" | "contextLength">>;
}

/**
 * The model that a worker at the other end of `port` serves by `serveModel`, with the same logits to
 * the bit. A pass is one message each way; the calling thread goes on meanwhile, which is what `pearl`
 * needs of one of its models.
 *
 * The worker stays the caller's, who terminates it.
 *
 * @throws OutriderError, as a rejection, where the worker cannot load its model, and from passes where
 * the worker has failed
 * @example
 * ```ts
 * import { functionModel, serveModel, workerModel } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * // With a worker: `const port = new Worker(url, { type: "module" })`.
 * const { port1: inside, port2: port } = new MessageChannel();
 * const logits = (prefix: readonly number[]) => [prefix.length, 0];
 * const served = functionModel({ vocabulary: 2, contextLength: 4, logits });
 * serveModel(inside, () => Promise.resolve(served));
 * const model = await workerModel(port);
 * const { cache, logits: rows } = await model.forward(model.open(), [0, 1, 1], 2);
 * assertEquals(rows.map((row) => row[0]), [2, 3]);
 * model.close(cache);
 * port.close();
 * ```
 */
export async function workerModel(port: ModelPort): Promise<LanguageModel<WorkerCache>> {
  const { send, forward, sizes } = openChannel(port);
  const { vocabulary, contextLength } = await sizes;
  let opened = 0;
  const cacheOf = (number: number, length: number): WorkerCache => ({
    number,
    length,
    mark: useOnce("cache"),
  });
  return {
    vocabulary,
    contextLength,
    open: () => cacheOf(opened++, 0),
    lengthOf: ({ length }) => length,
    forward: async ({ number, length, mark }, tokens, wanted) => {
      mark.take("forward");
      const logits = await forward({ kind: "forward", cache: number, tokens, wanted });
      return { cache: cacheOf(number, length + tokens.length), logits: logits.map(logitsOf) };
    },
    truncate: ({ number, length: rows, mark }, length) => {
      if (!(Number.isInteger(length) && length >= 0 && length <= rows)) {
        const expected = `a length of 0 to ${rows}`;
        throw new OutriderError(expected, `${length}`, "a cache can only become shorter");
      }
      mark.take("truncate");
      send({ kind: "truncate", cache: number, length });
      return cacheOf(number, length);
    },
    close: ({ number, mark }) => {
      if (mark.takenBy !== undefined) return;
      mark.take("close");
      send({ kind: "close", cache: number });
    },
  };
}

function openChannel(port: ModelPort): Channel {
  const waiting = new Map<number, Waiting>();
  let broken: Error | undefined;
  const { promise: sizes, resolve, reject } = Promise.withResolvers<Awaited<Channel["sizes"]>>();
  const breakOff = (error: Error): void => {
    broken ??= error;
    reject(error);
    for (const { failed } of waiting.values()) failed(error);
    waiting.clear();
  };
  const hear = (reply: ModelReply): void => {
    if (reply.kind === "ready") return resolve(reply);
    if (reply.kind === "refused") return breakOff(errorOf(reply.failure));
    const asked = waiting.get(reply.cache);
    waiting.delete(reply.cache);
    if (reply.kind === "passed") asked?.passed(reply.logits);
    else asked?.failed(errorOf(reply.failure));
  };
  port.addEventListener("message", (event) => {
    if (event instanceof MessageEvent) hear(event.data);
  });
  port.addEventListener("error", (event) => {
    // Else the error of a worker would end the program.
    event.preventDefault();
    const reason = event instanceof ErrorEvent ? event.message : "an error";
    breakOff(new OutriderError("a worker that runs its model", reason, "start another worker"));
  });
  port.start?.();
  const send = (request: ModelRequest): void => port.postMessage(request);
  send({ kind: "hello" });
  return {
    send,
    sizes,
    forward: (request) => {
      if (broken !== undefined) return Promise.reject(broken);
      return new Promise((passed, failed) => {
        waiting.set(request.cache, { passed, failed });
        send(request);
      });
    },
  };
}
