/**
 * Models that run in a worker, beside the thread of the command.
 *
 * @module
 */
import { type LanguageModel, type WorkerCache, workerModel } from "@outrider/outrider/decode";
import type { WeightType } from "@outrider/outrider/io";

/** What a worker loads. */
export interface WorkerModelOptions {
  /** The model's file or folder. */
  readonly path: string;
  readonly dtype: WeightType;
  /** Threads of the worker's own backend, itself included. */
  readonly threads: number;
}

/** A model in a worker. */
export interface OpenWorkerModel {
  readonly model: LanguageModel<WorkerCache>;
  /** Ends the worker. */
  readonly close: () => void;
}

/** Starts a worker and waits until its model is loaded. */
export async function openWorkerModel(options: WorkerModelOptions): Promise<OpenWorkerModel> {
  const url = new URL("./model_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module", name: JSON.stringify(options) });
  const close = (): void => worker.terminate();
  try {
    return { model: await workerModel(worker), close };
  } catch (error) {
    close();
    throw error;
  }
}
