/**
 * The words of shared memory by which threads agree: one mailbox per worker, one barrier for all.
 *
 * @module
 */

/** Words of a worker's mailbox. */
export const MAILBOX = { state: 0, thread: 1, threads: 2, plan: 3, table: 4, scratch: 5 } as const;
/** 32-bit words from one mailbox to the next: a cache line. */
export const MAILBOX_WORDS = 16;

/**
 * What a worker is doing. The caller moves idle to claimed, and that to run or forget; the worker
 * moves back to idle, or from idle to gone, after which it must be started again. A claimed worker
 * cannot go, so the caller knows how many threads a run has before it begins.
 */
export const WORKER_STATE = {
  gone: 0,
  starting: 1,
  idle: 2,
  claimed: 3,
  run: 4,
  forget: 5,
  end: 6,
} as const;

/** Words of the barrier. */
export const BARRIER = { arrived: 0, generation: 1, sleepers: 2, failed: 3 } as const;
/** 32-bit words of the barrier: a cache line. */
export const BARRIER_WORDS = 16;

/**
 * A plan as workers find it in memory: words for the address and length of its main module and the
 * number of kernels, then three words for each kernel: its number, address and length.
 */
export const PLAN_RECORD = { main: 0, mainBytes: 1, kernels: 2, first: 3, perKernel: 3 } as const;
