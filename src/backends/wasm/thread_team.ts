/**
 * The team of threads that runs plans together: the caller and its workers.
 *
 * Workers start on demand and end themselves when they have had nothing to do for a while, so a
 * program that forgets to close its backend still comes to an end. A run takes whoever is there:
 * the result has the same bits with any number of threads.
 *
 * @module
 */
import type { LinearMemory } from "./memory.ts";
import {
  BARRIER,
  BARRIER_WORDS,
  MAILBOX,
  MAILBOX_WORDS,
  PLAN_RECORD,
  WORKER_STATE,
} from "./thread_control.ts";
import { type WorkerSetup, workerSource } from "./thread_worker.ts";

/** What all threads of a run are given. */
export interface TeamRun {
  /** Address of the plan's record. */
  readonly plan: number;
  readonly table: number;
  readonly scratch: number;
}

/** Threads around one memory. */
export interface ThreadTeam {
  /** Most threads that a run can have, the caller included. */
  readonly size: number;
  /** Threads that took part in the last run. */
  readonly last: number;
  /** Address of the barrier's words. */
  readonly barrier: number;
  /** Sends idle workers into a run; gives the number of threads that take part. */
  start(run: TeamRun): number;
  /** Makes all workers drop a plan whose record is about to be freed. */
  forget(plan: number): void;
  /** Ends all workers. */
  close(): void;
}

const WORD_BYTES = 4;
const SPINS = 2000;
const PATIENCE_MILLISECONDS = 2000;
/** Milliseconds that the caller waits for a worker to finish what it was told. */
const HANDSHAKE_MILLISECONDS = 10_000;

/** A team of the caller alone. */
function lonelyTeam(): ThreadTeam {
  return { size: 1, last: 1, barrier: 0, start: () => 1, forget: () => {}, close: () => {} };
}

/** True where this thread may block, which browsers forbid to a page's own thread. */
function canWait(words: Int32Array): boolean {
  try {
    Atomics.wait(words, 0, Atomics.load(words, 0) + 1, 0);
    return true;
  } catch {
    return false;
  }
}

/** Starts one worker; it reports in its mailbox when it is there. */
function startWorker(setup: WorkerSetup): Worker {
  const url = URL.createObjectURL(new Blob([workerSource()], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  worker.postMessage(setup);
  URL.revokeObjectURL(url);
  return worker;
}

/** A team of up to `size` threads; of one where the memory is not shared or workers are missing. */
export function createTeam(linear: LinearMemory, size: number): ThreadTeam {
  if (size <= 1 || linear.kind === "unshared" || typeof Worker === "undefined") return lonelyTeam();
  const members = size - 1;
  const count = BARRIER_WORDS + members * MAILBOX_WORDS;
  const address = linear.allocator.allocate(count * WORD_BYTES);
  const words = new Int32Array(linear.memory.buffer, 0, address / WORD_BYTES + count);
  const barrier = address / WORD_BYTES;
  words.fill(0, barrier);
  if (!canWait(words)) {
    linear.allocator.release(address);
    return lonelyTeam();
  }
  const workers = new Map<number, Worker>();
  const mailboxes = Array.from(
    { length: members },
    (_, i) => barrier + BARRIER_WORDS + i * MAILBOX_WORDS,
  );
  const layout = {
    mailbox: MAILBOX,
    state: WORKER_STATE,
    barrier: BARRIER,
    plan: PLAN_RECORD,
  };

  const launch = (mailbox: number): void => {
    workers.get(mailbox)?.terminate();
    Atomics.store(words, mailbox + MAILBOX.state, WORKER_STATE.starting);
    const setup = { memory: linear.memory, mailbox, barrier, layout };
    workers.set(
      mailbox,
      startWorker({ ...setup, spins: SPINS, patience: PATIENCE_MILLISECONDS }),
    );
  };
  const stateOf = (mailbox: number): number => Atomics.load(words, mailbox + MAILBOX.state);
  /** Waits until the worker has done what it was told. */
  const settle = (mailbox: number): void => {
    const isBusy = (state: number): boolean =>
      state === WORKER_STATE.run || state === WORKER_STATE.forget;
    for (let i = 0; i < SPINS && isBusy(stateOf(mailbox)); i++) Atomics.pause();
    for (let state = stateOf(mailbox); isBusy(state); state = stateOf(mailbox)) {
      Atomics.wait(words, mailbox + MAILBOX.state, state, HANDSHAKE_MILLISECONDS);
    }
  };
  const claim = (mailbox: number): boolean => {
    settle(mailbox);
    const { idle, claimed } = WORKER_STATE;
    return Atomics.compareExchange(words, mailbox + MAILBOX.state, idle, claimed) === idle;
  };
  const send = (mailbox: number, state: number): void => {
    Atomics.store(words, mailbox + MAILBOX.state, state);
    Atomics.notify(words, mailbox + MAILBOX.state);
  };
  const write = (mailbox: number, word: number, value: number): void =>
    void Atomics.store(words, mailbox + word, value);

  let last = 1;
  mailboxes.forEach(launch);
  return {
    size,
    get last() {
      return last;
    },
    barrier: address,
    start({ plan, table, scratch }) {
      const ready = mailboxes.filter(claim);
      const threads = ready.length + 1;
      last = threads;
      ready.forEach((mailbox, i) => {
        write(mailbox, MAILBOX.plan, plan);
        write(mailbox, MAILBOX.table, table);
        write(mailbox, MAILBOX.scratch, scratch);
        write(mailbox, MAILBOX.thread, i + 1);
        write(mailbox, MAILBOX.threads, threads);
        send(mailbox, WORKER_STATE.run);
      });
      mailboxes.filter((mailbox) => stateOf(mailbox) === WORKER_STATE.gone).forEach(launch);
      return threads;
    },
    forget(plan) {
      for (const mailbox of mailboxes) {
        if (!claim(mailbox)) continue;
        write(mailbox, MAILBOX.plan, plan);
        send(mailbox, WORKER_STATE.forget);
        settle(mailbox);
      }
    },
    close() {
      for (const mailbox of mailboxes) {
        settle(mailbox);
        send(mailbox, WORKER_STATE.end);
      }
      for (const worker of workers.values()) worker.terminate();
      workers.clear();
      linear.allocator.release(address);
    },
  };
}
