/**
 * The worker in which a command's target runs; its name is what to load, as JSON.
 *
 * @module
 */
import { llamaModel, serveModel } from "@outrider/outrider/decode";
import { loadLlama, openModel } from "@outrider/outrider/io";
import { uploadsTo } from "@outrider/outrider/runtime";
import { openDevice } from "./device.ts";
import type { WorkerModelOptions } from "./worker_models.ts";

serveModel(self, async () => {
  const { path, dtype, threads }: WorkerModelOptions = JSON.parse(self.name);
  const { device } = await openDevice({ backend: "wasm", threads });
  const file = await openModel(path);
  const parameters = await loadLlama(file, dtype, uploadsTo(device));
  file.close();
  return llamaModel({ device, config: file.config, parameters });
});
