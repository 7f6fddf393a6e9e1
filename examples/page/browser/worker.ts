/**
 * The page's worker: all computing happens here, so that the page stays alive, and threads may wait
 * for each other, which browsers forbid to a page's own thread.
 *
 * @module
 */
import { createEngine, type Engine } from "./engine.ts";
import { failureLine } from "./failure_line.ts";
import type { WorkerEvent, WorkerRequest } from "./protocol.ts";

const send = (event: WorkerEvent): void => self.postMessage(event);

async function serve(engine: Engine, request: WorkerRequest): Promise<void> {
  if (request.kind === "stop") return engine.stop();
  try {
    await (request.kind === "open" ? engine.open(request) : engine.answer(request));
  } catch (error) {
    send({ kind: "failed", during: request.kind, line: failureLine(error) });
  }
}

const engine = createEngine(send);
self.addEventListener("message", ({ data }: MessageEvent<WorkerRequest>) => {
  serve(engine, data);
});
