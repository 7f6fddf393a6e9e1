/**
 * The narrow waist: what a backend must do, and nothing else.
 *
 * @module
 */
import type { PackedType } from "../core/dtype.ts";
import type { PackOutcome, StoredRows } from "../core/stored_rows.ts";
import type { Activations } from "../core/tensor_sink.ts";
import type { Plan } from "../plan/plan.ts";

/** A piece of device memory, named by a number that only its backend understands. */
export type Allocation = number;

/** A plan made ready to run on one backend. */
export interface Executable {
  /** The plan it was made from. */
  readonly plan: Plan;
  /** Runs the plan once; the arrays name memory in the order of the plan's ports. */
  run(inputs: readonly Allocation[], outputs: readonly Allocation[]): void;
  /** Gives back what `prepare` allocated (constants, not kernels). */
  release(): void;
}

/** A device that can hold arrays and run plans. */
export interface Backend {
  /** Its name in reports: "reference", "wasm", "webgpu". */
  readonly name: string;
  /** What products with packed weights are fastest with; "rounded" where it is absent. */
  readonly activations?: Activations;
  /** Reserves `bytes` of memory, uninitialised. Throws an OutriderError when there is no room. */
  allocate(bytes: number): Allocation;
  /** Gives an allocation back. */
  release(allocation: Allocation): void;
  /** Copies host bytes into an allocation, from `offset` on. */
  write(allocation: Allocation, bytes: Uint8Array, offset: number): void;
  /**
   * Packs stored rows into an allocation that holds a packed matrix, to the bits of `core/pack.ts`.
   * Absent where the host has to pack and write.
   */
  readonly pack?: (allocation: Allocation, type: PackedType, rows: StoredRows) => PackOutcome;
  /**
   * Copies bytes out of an allocation, after all runs queued before: into `room` where that is given,
   * of the right length, and of use to the backend; into fresh memory otherwise.
   */
  read(
    allocation: Allocation,
    offset: number,
    length: number,
    room?: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * The bytes of an allocation where they are, after all runs queued before: good until it is
   * released. Absent where the host cannot look into the memory, or the memory may move.
   */
  readonly view?: (allocation: Allocation, offset: number, length: number) => Uint8Array;
  /** Compiles a plan; kernels that an earlier plan already needed are reused. */
  prepare(plan: Plan): Executable;
  /** Ends the device; nothing of it may be used afterwards. */
  close(): void;
}
