/**
 * Language models that run in workers.
 *
 * @module
 */
export type { ModelPort } from "./protocol.ts";
export { serveModel } from "./serve_model.ts";
export { type WorkerCache, workerModel } from "./worker_model.ts";
