/**
 * How many bytes per second one or several threads can read from memory: the bound of decoding.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { PIECE_BYTES, streamModule } from "./stream_module.ts";

/** Threads that read a large memory together. */
export interface MemoryStream {
  readonly threads: number;
  /** Reads everything once and returns GB/s. */
  readonly measure: () => Promise<number>;
  /** Ends the workers. */
  readonly close: () => void;
}

/** Places of the shared control words. */
const [ROUND, FINISHED] = [0, 1];

const QUARTER = PIECE_BYTES / 4;

/** Waits for a round, reads its share, says so; a round number below 0 ends it. */
const WORKER = `
self.onmessage = ({ data: { module, memory, control, from, to } }) => {
  const { read } = new WebAssembly.Instance(module, { env: { memory } }).exports;
  postMessage("ready");
  let round = 0;
  while (true) {
    Atomics.wait(control, ${ROUND}, round);
    round = Atomics.load(control, ${ROUND});
    if (round < 0) break;
    for (let at = from; at < to; at += ${PIECE_BYTES}) read(at, at + ${QUARTER});
    Atomics.add(control, ${FINISHED}, 1);
    Atomics.notify(control, ${FINISHED});
  }
  self.close();
};`;

function readFunction(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): (from: number, to: number) => void {
  const { read } = new WebAssembly.Instance(module, { env: { memory } }).exports;
  if (typeof read === "function") {
    return (from, to) => {
      for (let at = from; at < to; at += PIECE_BYTES) read(at, at + QUARTER);
    };
  }
  throw new OutriderError("an exported function", typeof read, "check the module");
}

async function startWorker(message: object): Promise<Worker> {
  const url = URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  const ready = new Promise((resolve) => worker.onmessage = resolve);
  worker.postMessage(message);
  await ready;
  URL.revokeObjectURL(url);
  return worker;
}

/** Opens a memory of the given size, larger than any cache, for the given number of threads. */
export async function openStream(threads: number, bytes: number): Promise<MemoryStream> {
  const pages = bytes / 65536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true });
  // Pages that were never written all lie at one place in the cache.
  new Int32Array(memory.buffer).fill(1);
  const module = new WebAssembly.Module(streamModule());
  const read = readFunction(module, memory);
  const control = new Int32Array(new SharedArrayBuffer(8));
  const share = Math.floor(bytes / threads / PIECE_BYTES) * PIECE_BYTES;
  const workers: Worker[] = [];
  for (let thread = 1; thread < threads; thread++) {
    const [from, to] = [thread * share, (thread + 1) * share];
    workers.push(await startWorker({ module, memory, control, from, to }));
  }
  let round = 0;
  const advance = (to: number): void => {
    Atomics.store(control, FINISHED, 0);
    Atomics.store(control, ROUND, to);
    Atomics.notify(control, ROUND);
  };
  const readAll = (): void => {
    advance(++round);
    read(0, share);
    for (let done = 0; done < workers.length; done = Atomics.load(control, FINISHED)) {
      Atomics.wait(control, FINISHED, done);
    }
  };
  return {
    threads,
    measure: () => {
      const start = performance.now();
      readAll();
      const seconds = (performance.now() - start) / 1000;
      return Promise.resolve(share * threads / seconds / 1e9);
    },
    close: () => advance(-1),
  };
}
