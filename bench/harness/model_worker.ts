/**
 * The worker in which a benchmark's target runs; its name is what to load, as JSON.
 *
 * @module
 */
import { serveModel } from "@outrider/outrider/decode";
import { openOn } from "./models.ts";
import type { WorkerModelOptions } from "./worker_models.ts";

serveModel(self, async () => {
  const { threads, path, dtype }: WorkerModelOptions = JSON.parse(self.name);
  return (await openOn(threads, path, dtype)).model;
});
