/**
 * The WebAssembly backend: one linear memory, SIMD kernels generated at run time.
 *
 * @module
 */
import { probeFeatures, type Vectors, withoutRelaxed } from "../../../kernels/wasm/mod.ts";
import { OutriderError } from "../../core/errors.ts";
import type { Backend } from "../../runtime/backend.ts";
import { createArena } from "./arena.ts";
import { engineVectors } from "./engine_vectors.ts";
import { prepareExecutable } from "./executable.ts";
import { createKernelCache } from "./kernel_cache.ts";
import { availableMemory, createMemory, type MemoryKind } from "./memory.ts";
import { createPacker } from "./packer.ts";
import { createTeam } from "./thread_team.ts";

/** What can be chosen about the backend; everything has a default that fits the engine. */
export interface WasmOptions {
  /** "shared" where the engine has SharedArrayBuffer. */
  readonly memory?: MemoryKind;
  /** Fused multiply-add by relaxed SIMD; "present" where the engine has it. */
  readonly relaxedMadd?: "present" | "absent";
  /**
   * What the engine makes of neighbouring vectors of 128 bits; "joined" where `DENO_V8_FLAGS` asks it
   * to make 256 bits of them. It decides speed only.
   */
  readonly vectors?: Vectors;
  /** Most threads, the calling one included; 1 by default, and where memory cannot be shared. */
  readonly threads?: number;
}

/** The backend, with counters for tests and reports. */
export interface WasmBackend extends Backend {
  /** Its name in reports. */
  readonly name: "wasm";
  /** Kernels compiled so far; a second preparation of the same specs adds none. */
  readonly kernelsCompiled: number;
  /** Most threads that a run can have. */
  readonly threads: number;
  /** Threads that took part in the last run; workers join when they have started. */
  readonly lastThreads: number;
  /** Ranges of memory in use: allocations, what plans hold, the arena, modules for workers. */
  readonly liveAllocations: number;
  /** Bytes of these ranges. */
  readonly liveBytes: number;
}

/** More threads than any machine has cores are a mistake. */
const MOST_THREADS = 256;

function checkedThreads(threads: number): number {
  if (Number.isInteger(threads) && threads >= 1 && threads <= MOST_THREADS) return threads;
  const expected = `1 to ${MOST_THREADS} threads`;
  throw new OutriderError(expected, `${threads}`, "pass the number of cores to use");
}

/**
 * Opens the WebAssembly backend.
 *
 * The bits of every result are the same for any number of threads.
 *
 * @throws OutriderError for an impossible number of threads, and from `allocate` and `prepare` where
 * the 4 GiB of the memory are full
 * @example
 * ```ts
 * import { wasmBackend } from "@outrider/outrider/backends/wasm";
 * import { assertEquals } from "@std/assert";
 *
 * const backend = wasmBackend();
 * const allocation = backend.allocate(4);
 * backend.write(allocation, Uint8Array.of(1, 2, 3, 4), 0);
 * assertEquals(await backend.read(allocation, 1, 2), Uint8Array.of(2, 3));
 * backend.close();
 * ```
 */
export function wasmBackend(options: WasmOptions = {}): WasmBackend {
  const linear = createMemory(options.memory ?? availableMemory());
  const probed = probeFeatures(linear.kind, options.vectors ?? engineVectors());
  const features = options.relaxedMadd === "absent" ? withoutRelaxed(probed) : probed;
  const { allocator } = linear;
  const team = createTeam(linear, checkedThreads(options.threads ?? 1));
  const arena = createArena(allocator);
  const kernels = createKernelCache(linear, features, team.size);
  const context = { linear, kernels, arena, team };
  const pack = createPacker(context);
  let isOpen = true;
  const open = (): void => {
    if (!isOpen) throw new OutriderError("an open backend", "a closed one", "open a new one");
  };
  const range = (allocation: number, offset: number, length: number): Uint8Array => {
    open();
    const capacity = allocator.capacity(allocation);
    if (offset >= 0 && offset + length <= capacity) {
      return linear.bytes(allocation + offset, length);
    }
    const found = `bytes ${offset} to ${offset + length}`;
    throw new OutriderError(`a part of ${capacity} bytes`, found, "check the array's length");
  };
  return {
    name: "wasm",
    // Memory that is not shared moves when it grows.
    ...(linear.kind === "shared" && { view: range }),
    allocate(bytes) {
      open();
      return allocator.allocate(bytes);
    },
    release: (allocation) => allocator.release(allocation),
    write(allocation, bytes, offset) {
      range(allocation, offset, bytes.length).set(bytes);
    },
    pack(allocation, type, rows) {
      open();
      return pack(allocation, type, rows);
    },
    read(allocation, offset, length, room) {
      const part = range(allocation, offset, length);
      if (room?.length !== length) return Promise.resolve(part.slice());
      room.set(part);
      return Promise.resolve(room);
    },
    prepare(plan) {
      open();
      return prepareExecutable(plan, context);
    },
    close() {
      if (isOpen) team.close();
      isOpen = false;
    },
    threads: team.size,
    get lastThreads() {
      return team.last;
    },
    get kernelsCompiled() {
      return kernels.size;
    },
    get liveAllocations() {
      return allocator.liveRanges;
    },
    get liveBytes() {
      return allocator.liveBytes;
    },
  };
}
