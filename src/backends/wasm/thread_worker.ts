/**
 * The program of a worker thread. Its source travels as text, so it refers to nothing outside of
 * itself but its setup.
 *
 * @module
 */

/** What a worker is told once, when it starts. */
export interface WorkerSetup {
  readonly memory: WebAssembly.Memory;
  /** First word of the worker's mailbox. */
  readonly mailbox: number;
  /** First of the words that the team shares. */
  readonly team: number;
  /** The worker's number in the team; the caller is 0. */
  readonly thread: number;
  readonly layout: {
    readonly mailbox: typeof import("./thread_control.ts").MAILBOX;
    readonly state: typeof import("./thread_control.ts").WORKER_STATE;
    readonly team: typeof import("./thread_control.ts").TEAM;
    readonly plan: typeof import("./thread_control.ts").PLAN_RECORD;
  };
  /** Looks at the mailbox before the worker goes to sleep. */
  readonly spins: number;
  /** Milliseconds without work after which a worker ends itself. */
  readonly patience: number;
}

/** Serves runs until it is told to end or nothing comes for long. */
function serve(setup: WorkerSetup): void {
  const { memory, mailbox, layout, spins, patience } = setup;
  const { state } = layout;
  const words = new Int32Array(memory.buffer, 0, mailbox + layout.mailbox.counters + 1);
  const stateWord = mailbox + layout.mailbox.state;
  const kernels = new Map<number, WebAssembly.ExportValue>();
  const plans = new Map<number, WebAssembly.ExportValue>();

  const instantiate = (address: number, length: number, imports: WebAssembly.Imports) => {
    const bytes = Uint8Array.from(new Uint8Array(memory.buffer, address, length));
    return new WebAssembly.Instance(new WebAssembly.Module(bytes), imports).exports.run;
  };
  const load = (record: number): WebAssembly.ExportValue => {
    memory.grow(0); // Makes `buffer` as long as the memory now is.
    const all = new Uint32Array(memory.buffer);
    const at = record / 4;
    const used: Record<string, WebAssembly.ExportValue> = {};
    for (let i = 0; i < all[at + layout.plan.kernels]; i++) {
      const entry = at + layout.plan.first + i * layout.plan.perKernel;
      const kernel = kernels.get(all[entry]) ??
        instantiate(all[entry + 1], all[entry + 2], { env: { memory } });
      kernels.set(all[entry], kernel);
      used[`${i}`] = kernel;
    }
    const main = all[at + layout.plan.main];
    const bytes = all[at + layout.plan.mainBytes];
    return instantiate(main, bytes, { env: { memory }, kernels: used });
  };
  const read = (word: number): number => Atomics.load(words, mailbox + word) >>> 0;
  const runPlan = (): void => {
    const record = read(layout.mailbox.plan);
    const run = plans.get(record) ?? load(record);
    plans.set(record, run);
    if (typeof run !== "function") throw new TypeError("a plan without a main function");
    const { table, scratch, counters } = layout.mailbox;
    run(read(table), read(scratch), setup.thread, read(counters));
  };
  const nextState = (): number => {
    for (let i = 0; i < spins; i++) {
      const now = Atomics.load(words, stateWord);
      if (now !== state.idle) return now;
      Atomics.pause();
    }
    if (Atomics.wait(words, stateWord, state.idle, patience) === "timed-out") {
      Atomics.compareExchange(words, stateWord, state.idle, state.gone);
    }
    return Atomics.load(words, stateWord);
  };
  const becomeIdle = (): void => {
    Atomics.store(words, stateWord, state.idle);
    Atomics.notify(words, stateWord);
  };

  Atomics.compareExchange(words, stateWord, state.starting, state.idle);
  for (;;) {
    const now = nextState();
    if (now === state.gone || now === state.end) break;
    if (now === state.forget) plans.delete(read(layout.mailbox.plan));
    if (now === state.run) {
      try {
        runPlan();
      } catch {
        // The caller sees the word and says so; it may be blocked, so no message would reach it.
        Atomics.store(words, setup.team + layout.team.failed, 1);
        break;
      }
    }
    if (now === state.run || now === state.forget) becomeIdle();
  }
  Atomics.store(words, stateWord, state.gone);
  Atomics.notify(words, stateWord);
  self.close();
}

/** The text of the worker's module. */
export function workerSource(): string {
  return `const serve = ${serve.toString()};
addEventListener("message", (event) => serve(event.data), { once: true });`;
}
