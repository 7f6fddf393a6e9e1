/**
 * The team of threads that runs plans together: the caller and its workers.
 *
 * Workers start on demand and end themselves when they have had nothing to do for a while, so a
 * program that forgets to close its backend still comes to an end. A run takes whoever is there,
 * and does not wait for a worker that comes too late to find any work; such a worker may still walk
 * through the counters of the old run, so the next run counts elsewhere. The result has the same
 * bits with any number of threads.
 *
 * @module
 */
import type { LinearMemory } from "./memory.ts";
import {
  MAILBOX,
  MAILBOX_WORDS,
  PLAN_RECORD,
  TEAM,
  TEAM_WORDS,
  WORKER_STATE,
} from "./thread_control.ts";
import { type WorkerSetup, workerSource } from "./thread_worker.ts";

/** What all threads of a run are given. */
export interface TeamRun {
  /** Address of the plan's record. */
  readonly plan: number;
  readonly table: number;
  readonly scratch: number;
  /** Room for as many runs' counters as the team has threads. */
  readonly counters: number;
  /** Words of one run's counters. */
  readonly counterWords: number;
}

/** Threads around one memory. */
export interface ThreadTeam {
  /** Most threads that a run can have, the caller included. */
  readonly size: number;
  /** Threads that the last run was offered to. */
  readonly last: number;
  /** Address of the words that the team shares. */
  readonly address: number;
  /** Sends idle workers into a run; gives the address of the run's counters, all 0. */
  start(run: TeamRun): number;
  /** Makes all workers drop a plan whose record is about to be freed. */
  forget(plan: number): void;
  /** True after a thread has failed: its share of a run is missing, so nothing may run any more. */
  readonly failed: boolean;
  /** Makes the threads that wait for a failed one give up as well. */
  fail(): void;
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
  const nothing = (): void => {};
  const none = { start: () => 0, forget: nothing, fail: nothing, close: nothing };
  return { size: 1, last: 1, address: 0, failed: false, ...none };
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
  const count = TEAM_WORDS + (size - 1) * MAILBOX_WORDS;
  const address = linear.allocator.allocate(count * WORD_BYTES);
  const team = address / WORD_BYTES;
  const words = new Int32Array(linear.memory.buffer, 0, team + count);
  words.fill(0, team);
  if (!canWait(words)) {
    linear.allocator.release(address);
    return lonelyTeam();
  }
  const workers = new Map<number, Worker>();
  const lastCounters = new Map<number, number>();
  const mailboxes = Array.from(
    { length: size - 1 },
    (_, i) => team + TEAM_WORDS + i * MAILBOX_WORDS,
  );
  const layout = { mailbox: MAILBOX, state: WORKER_STATE, team: TEAM, plan: PLAN_RECORD };

  const launch = (mailbox: number): void => {
    workers.get(mailbox)?.terminate();
    Atomics.store(words, mailbox + MAILBOX.state, WORKER_STATE.starting);
    const worker = startWorker({
      memory: linear.memory,
      mailbox,
      team,
      layout,
      thread: mailboxes.indexOf(mailbox) + 1,
      spins: SPINS,
      patience: PATIENCE_MILLISECONDS,
    });
    workers.set(mailbox, worker);
  };
  const stateOf = (mailbox: number): number => Atomics.load(words, mailbox + MAILBOX.state);
  const fail = (): void => void Atomics.store(words, team + TEAM.failed, 1);
  /** Waits until the worker has done what it was told; one that never does has failed. */
  const settle = (mailbox: number): void => {
    const isBusy = (state: number): boolean =>
      state === WORKER_STATE.run || state === WORKER_STATE.forget;
    for (let state = stateOf(mailbox); isBusy(state); state = stateOf(mailbox)) {
      const stateWord = mailbox + MAILBOX.state;
      if (Atomics.wait(words, stateWord, state, HANDSHAKE_MILLISECONDS) !== "timed-out") continue;
      fail();
      return;
    }
  };
  const write = (mailbox: number, word: number, value: number): void =>
    void Atomics.store(words, mailbox + word, value);
  /** Moves an idle worker to a state; false where it is not idle. */
  const send = (mailbox: number, state: number): boolean => {
    const stateWord = mailbox + MAILBOX.state;
    const was = Atomics.compareExchange(words, stateWord, WORKER_STATE.idle, state);
    if (was === WORKER_STATE.idle) Atomics.notify(words, stateWord);
    return was === WORKER_STATE.idle;
  };
  /** Counters that no worker is still walking through, set to 0. */
  const freshCounters = ({ counters, counterWords }: TeamRun): number => {
    const busy = mailboxes
      .filter((mailbox) => stateOf(mailbox) === WORKER_STATE.run)
      .map((mailbox) => lastCounters.get(mailbox));
    let free = counters;
    while (busy.includes(free)) free += counterWords * WORD_BYTES;
    linear.words(free, counterWords).fill(0);
    return free;
  };

  let last = 1;
  mailboxes.forEach(launch);
  return {
    size,
    get last() {
      return last;
    },
    address,
    get failed() {
      return Atomics.load(words, team + TEAM.failed) !== 0;
    },
    fail,
    start(run) {
      const counters = freshCounters(run);
      const sent = mailboxes.filter((mailbox) => {
        if (stateOf(mailbox) === WORKER_STATE.gone) launch(mailbox);
        if (stateOf(mailbox) !== WORKER_STATE.idle) return false;
        write(mailbox, MAILBOX.plan, run.plan);
        write(mailbox, MAILBOX.table, run.table);
        write(mailbox, MAILBOX.scratch, run.scratch);
        write(mailbox, MAILBOX.counters, counters);
        lastCounters.set(mailbox, counters);
        return send(mailbox, WORKER_STATE.run);
      });
      last = sent.length + 1;
      return counters;
    },
    forget(plan) {
      for (const mailbox of mailboxes) {
        settle(mailbox);
        if (stateOf(mailbox) !== WORKER_STATE.idle) continue;
        write(mailbox, MAILBOX.plan, plan);
        send(mailbox, WORKER_STATE.forget);
        settle(mailbox);
      }
    },
    close() {
      for (const mailbox of mailboxes) {
        settle(mailbox);
        Atomics.store(words, mailbox + MAILBOX.state, WORKER_STATE.end);
        Atomics.notify(words, mailbox + MAILBOX.state);
      }
      for (const worker of workers.values()) worker.terminate();
      workers.clear();
      linear.allocator.release(address);
    },
  };
}
