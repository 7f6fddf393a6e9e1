/**
 * The worker's side: a language model that answers messages.
 *
 * @module
 */
import type { LanguageModel } from "../language_model.ts";
import { failureOf, type ModelPort, type ModelReply, type ModelRequest } from "./protocol.ts";

/**
 * Lets a `workerModel` at the other end of `port` use a model; call it first thing in a worker, with a
 * function that loads the model there.
 *
 * Requests are served one after another. A pass that fails, or a model that cannot be loaded, is said
 * to the other end; what a failed pass held is released.
 *
 * @example
 * ```ts
 * import { functionModel, serveModel, workerModel } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * // In a worker: `serveModel(self, load)`.
 * const { port1, port2 } = new MessageChannel();
 * const load = () =>
 *   Promise.resolve(functionModel({ vocabulary: 2, contextLength: 4, logits: () => [0, 1] }));
 * serveModel(port1, load);
 * assertEquals((await workerModel(port2)).vocabulary, 2);
 * port1.close();
 * ```
 */
export function serveModel<Cache>(
  port: ModelPort,
  load: () => Promise<LanguageModel<Cache>>,
): void {
  const reply = (message: ModelReply, transfer: Transferable[] = []): void =>
    port.postMessage(message, { transfer });
  const served = load().then((model) => {
    const { vocabulary, contextLength } = model;
    reply({ kind: "ready", vocabulary, contextLength });
    return server(model, reply);
  });
  served.catch((error) => reply({ kind: "refused", failure: failureOf(error) }));
  let last: Promise<unknown> = served;
  port.addEventListener("message", (event) => {
    if (!(event instanceof MessageEvent)) return;
    const request: ModelRequest = event.data;
    last = last.then(async () => (await served)(request)).catch(() => {});
  });
  port.start?.();
}

type Reply = (message: ModelReply, transfer?: Transferable[]) => void;

/** Answers requests to a model, whose caches it keeps by their numbers. */
function server<Cache>(
  model: LanguageModel<Cache>,
  reply: Reply,
): (request: ModelRequest) => Promise<void> {
  const caches = new Map<number, Cache>();
  const close = (number: number): void => {
    const cache = caches.get(number);
    caches.delete(number);
    if (cache !== undefined) model.close(cache);
  };
  const forward = async (
    { cache: number, tokens, wanted }: ModelRequest & { readonly kind: "forward" },
  ): Promise<void> => {
    try {
      const cache = caches.get(number) ?? model.open();
      caches.set(number, cache);
      const passed = await model.forward(cache, tokens, wanted);
      caches.set(number, passed.cache);
      // Rows may lie in memory that the next pass writes over, or that cannot be given away.
      const logits = passed.logits.map((row) => Float32Array.from(row));
      reply({ kind: "passed", cache: number, logits }, logits.map(({ buffer }) => buffer));
    } catch (error) {
      close(number);
      reply({ kind: "failed", cache: number, failure: failureOf(error) });
    }
  };
  return async (request) => {
    if (request.kind === "forward") await forward(request);
    if (request.kind === "close") close(request.cache);
    if (request.kind === "truncate") {
      const cache = caches.get(request.cache);
      if (cache !== undefined) {
        caches.set(request.cache, model.truncate(cache, request.length));
      }
    }
    if (request.kind === "hello") {
      const { vocabulary, contextLength } = model;
      reply({ kind: "ready", vocabulary, contextLength });
    }
  };
}
