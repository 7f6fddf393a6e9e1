/**
 * The words of shared memory by which threads agree: one mailbox per worker, two words for all.
 *
 * @module
 */

/** Words of a worker's mailbox. */
export const MAILBOX = { state: 0, plan: 1, table: 2, scratch: 3, counters: 4 } as const;
/** 32-bit words from one mailbox to the next: a cache line. */
export const MAILBOX_WORDS = 16;

/**
 * What a worker is doing. The caller moves idle to run, forget or end; the worker moves back to
 * idle, or from idle to gone, after which it must be started again.
 */
export const WORKER_STATE = {
  gone: 0,
  starting: 1,
  idle: 2,
  run: 3,
  forget: 4,
  end: 5,
} as const;

/** Words that the team shares: how many threads sleep within a run, and whether one has failed. */
export const TEAM = { sleepers: 0, failed: 1 } as const;
/** 32-bit words of the team: a cache line. */
export const TEAM_WORDS = 16;

/**
 * A plan as workers find it in memory: words for the address and length of its main module and the
 * number of kernels, then three words for each kernel: its number, address and length.
 */
export const PLAN_RECORD = { main: 0, mainBytes: 1, kernels: 2, first: 3, perKernel: 3 } as const;
