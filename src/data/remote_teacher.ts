/**
 * A teacher behind HTTP: any server that speaks OpenAI's chat completions (vLLM, llama.cpp's server,
 * and others) writes the responses of a distillation set.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { foldIn, keyOf } from "../core/random.ts";
import {
  type Attempt,
  isTransient,
  RETRY_POLICY,
  retryAfter,
  type RetryPolicy,
  withRetries,
} from "./http_retry.ts";
import type { Message } from "./language.ts";

/** A server and the model that it should use. */
export interface RemoteServer {
  /** Its address, with or without `/v1`. */
  readonly url: string;
  /** The model by the name that the server knows. */
  readonly model: string;
  /** Sent as a bearer token; no error ever shows it. */
  readonly apiKey?: string;
}

/** What is asked. */
export interface RemoteRequest {
  /** Which prompt it is; the answer says so too. */
  readonly index: number;
  /** The conversation, which ends with the user. */
  readonly messages: readonly Message[];
  /** The temperature to sample at; 0 is greedy. */
  readonly temperature: number;
  /** The share of probability that sampling is restricted to. */
  readonly topP: number;
  /** What the server draws its coins from, where it can. */
  readonly seed: number;
  /** Most tokens of the answer. */
  readonly maximumTokens: number;
}

/** What the server answered to one request. */
export interface RemoteAnswer {
  /** The request's number. */
  readonly index: number;
  /** The answer's text; empty where the server refused. */
  readonly text: string;
  /**
   * "stop" where the model ended its turn, "length" at the limit of tokens, whatever else the server
   * says, and "refused" where it will not answer this prompt.
   */
  readonly finishReason: string;
  /** What a server that refused said. */
  readonly refusal?: string;
}

/** How to ask. */
export interface RemoteOptions {
  /** Requests at work together. */
  readonly concurrency: number;
  /** Attempts and waits; {@link RETRY_POLICY} where left out. */
  readonly policy?: RetryPolicy;
  /** What the waits are drawn from. */
  readonly seed: number;
  /** Ends the run: requests at work are dropped, answers that were given stand. */
  readonly signal?: AbortSignal;
}

/** So many refusals with no answer between them mean that the requests themselves are wrong. */
const MOST_REFUSALS = 16;
/** Statuses by which servers refuse one prompt (too long, not allowed) rather than all of them. */
const REFUSALS: ReadonlySet<number> = new Set([400, 413, 422]);

/**
 * The address that chat requests go to.
 *
 * @example
 * ```ts
 * import { completionsUrl } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const url = completionsUrl("http://localhost:8000/v1/");
 * assertEquals(url, "http://localhost:8000/v1/chat/completions");
 * ```
 *
 * @throws OutriderError where it is no http address, or has a password in it
 */
export function completionsUrl(server: string): string {
  const url = URL.parse(server);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new OutriderError("a server's http address", `"${server}"`, "write http://HOST:PORT");
  }
  if (url.username !== "" || url.password !== "") {
    throw new OutriderError(
      "an address without a password",
      `one for ${url.host}`,
      "give the key by an environment variable",
    );
  }
  const base = `${url.origin}${url.pathname}`.replace(/\/+$/, "").replace(/\/v1$/, "");
  return `${base}/v1/chat/completions`;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

/** The first choice of an answer; undefined where it is not one. */
function choiceOf(value: unknown): { text: string; finishReason: string } | undefined {
  if (!isObject(value) || !Array.isArray(value.choices)) return undefined;
  const choice: unknown = value.choices[0];
  if (!isObject(choice) || !isObject(choice.message)) return undefined;
  const { content } = choice.message;
  const { finish_reason: reason } = choice;
  if (typeof content !== "string") return undefined;
  return { text: content, finishReason: typeof reason === "string" ? reason : "unknown" };
}

/** What a server says about an error, on one line and without the key. */
function saidBy(status: number, body: string, { apiKey }: RemoteServer): string {
  let said = body;
  try {
    const value: unknown = JSON.parse(body);
    const error = isObject(value) && isObject(value.error) ? value.error : value;
    if (isObject(error) && typeof error.message === "string") said = error.message;
  } catch {
    // Not JSON: the text itself.
  }
  const hidden = apiKey === undefined || apiKey === "" ? said : said.replaceAll(apiKey, "***");
  const line = hidden.replaceAll(/\s+/g, " ").trim().slice(0, 200);
  return line === "" ? `status ${status}` : `status ${status}: ${line}`;
}

/** Sends a request once. */
async function ask(
  server: RemoteServer,
  request: RemoteRequest,
  signal: AbortSignal,
): Promise<Attempt<RemoteAnswer>> {
  const { index, messages, temperature, topP, seed, maximumTokens } = request;
  const url = completionsUrl(server.url);
  const headers = new Headers({ "content-type": "application/json" });
  if (server.apiKey !== undefined) headers.set("authorization", `Bearer ${server.apiKey}`);
  const response = await fetch(url, {
    method: "POST",
    headers,
    body: JSON.stringify({
      model: server.model,
      messages,
      temperature,
      top_p: topP,
      seed,
      max_tokens: maximumTokens,
      stream: false,
    }),
    signal,
  });
  const body = await response.text();
  const { status } = response;
  if (response.ok) {
    const choice = choiceOf(JSON.parse(body));
    if (choice === undefined) return { kind: "again", reason: "an answer without a message" };
    return { kind: "done", value: { index, ...choice } };
  }
  const said = saidBy(status, body, server);
  if (isTransient(status)) {
    const after = retryAfter(response.headers.get("retry-after"), Date.now());
    return { kind: "again", reason: said, after };
  }
  if (!REFUSALS.has(status)) throw new OutriderError(`an answer from ${url}`, said, "correct it");
  return { kind: "done", value: { index, text: "", finishReason: "refused", refusal: said } };
}

/** How a request ended: its answer, or an error that no attempt got past. */
type Outcome = { readonly answer: RemoteAnswer } | { readonly error: unknown };

/** The error of so many refusals with no answer between them that it cannot be the prompts. */
function refusalWatch(): (answer: RemoteAnswer) => OutriderError | undefined {
  let inARow = 0;
  return ({ refusal }) => {
    inARow = refusal === undefined ? 0 : inARow + 1;
    if (inARow < MOST_REFUSALS || refusal === undefined) return undefined;
    return new OutriderError(`answers to ${MOST_REFUSALS} prompts`, refusal, "correct the request");
  };
}

/**
 * The server's answers, each as soon as it is there: in any order, exactly one for each request.
 *
 * Failures that pass (no connection, no answer in time, half an answer, too many requests, a fault of
 * the server) are tried again; a server that refuses a prompt gives an answer that says so. Never
 * more than `concurrency` requests are open, and none is begun while nobody asks for its answer.
 * Before an error is thrown, the answers to requests that are open are waited for and given.
 *
 * @param server where to ask
 * @param requests what to ask, each with a number of its own
 * @param options how to ask
 * @throws OutriderError where the server refuses everything, or fails at every attempt
 */
export async function* remoteAnswers(
  server: RemoteServer,
  requests: Iterable<RemoteRequest>,
  options: RemoteOptions,
): AsyncGenerator<RemoteAnswer> {
  const { concurrency, policy = RETRY_POLICY, seed, signal } = options;
  if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
    throw new OutriderError("1 or more requests at work", `${concurrency}`, "raise it");
  }
  const what = `an answer from ${completionsUrl(server.url)}`;
  const stop = new AbortController();
  const stopped = signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]);
  const open = new Map<number, Promise<Outcome & { readonly index: number }>>();
  const start = (request: RemoteRequest): void => {
    const { index } = request;
    const key = foldIn(foldIn(keyOf(seed), "retry"), index);
    const answer = withRetries((limit) => ask(server, request, limit), {
      what,
      policy,
      key,
      signal: stopped,
    });
    open.set(index, answer.then((answer) => ({ index, answer }), (error) => ({ index, error })));
  };
  const waiting = requests[Symbol.iterator]();
  const failures: unknown[] = [];
  const watch = refusalWatch();
  try {
    while (true) {
      while (open.size < concurrency && failures.length === 0) {
        const { done, value } = waiting.next();
        if (done === true) break;
        start(value);
      }
      if (open.size === 0) break;
      const first = await Promise.race(open.values());
      if (signal?.aborted === true) return;
      open.delete(first.index);
      if ("error" in first) {
        failures.push(first.error);
        continue;
      }
      const failure = watch(first.answer);
      if (failure !== undefined) failures.push(failure);
      yield first.answer;
    }
    if (failures.length > 0) throw failures[0];
  } finally {
    stop.abort();
    await Promise.all(open.values());
  }
}
