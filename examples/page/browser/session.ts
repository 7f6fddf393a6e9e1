/**
 * The page's side of the worker: one worker for every model that is opened, so that the memory of
 * the one before is free again.
 *
 * @module
 */
import type { AnswerRequest, OpenRequest, WorkerEvent, WorkerRequest } from "./protocol.ts";

/** Talks with the worker. */
export interface Session {
  /** Ends what was running and loads a model. */
  open(request: Omit<OpenRequest, "kind">): void;
  answer(request: Omit<AnswerRequest, "kind">): void;
  stop(): void;
}

/** A session that hands all that the worker says to `onEvent`. */
export function createSession(onEvent: (event: WorkerEvent) => void): Session {
  let worker: Worker | undefined;
  const start = (): Worker => {
    const started = new Worker(new URL("worker.js", document.baseURI), { type: "module" });
    const tell = (event: WorkerEvent): void => {
      if (started === worker) onEvent(event);
    };
    started.addEventListener("message", ({ data }: MessageEvent<WorkerEvent>) => tell(data));
    started.addEventListener("error", ({ message }) => {
      const line = `the worker failed: ${message || "it could not be loaded"}`;
      tell({ kind: "failed", during: "open", line });
    });
    return started;
  };
  const say = (request: WorkerRequest): void => worker?.postMessage(request);
  return {
    open(request) {
      worker?.terminate();
      worker = start();
      say({ kind: "open", ...request });
    },
    answer: (request) => say({ kind: "answer", ...request }),
    stop: () => say({ kind: "stop" }),
  };
}
