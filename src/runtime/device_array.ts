/**
 * Handles of arrays that live on a device.
 *
 * @module
 */
import type { ElementType } from "../core/dtype.ts";
import { describe } from "../core/host_tensor.ts";
import type { Shape } from "../core/shape.ts";
import type { Allocation } from "./backend.ts";
import { type Owned, UseOnceValue } from "./owned.ts";

/** What gives memory back: the device that an array lives on. */
export interface Keeper {
  /** Gives an allocation back and lowers the live count. */
  free(allocation: Allocation): void;
  /** Told when an array that is watched dies. */
  arrayDied(): void;
}

/** An array on a device. It dies by `release`, or by donation to a compiled function. */
export interface DeviceArray {
  /** Tells device arrays from other leaves. */
  readonly kind: "device";
  /** Sizes of the axes. */
  readonly shape: Shape;
  /** Element type. */
  readonly type: ElementType;
  /** False after release or donation. */
  readonly live: boolean;
  /** Gives the memory back; a second call does nothing. */
  release(): void;
  /** Releases at the end of a `using` block. */
  [Symbol.dispose](): void;
  /** Has the device told when the array dies, for the runtime. */
  watch(): void;
  /** The memory, for the runtime. Throws where the array is dead. */
  readonly memory: Owned<Allocation>;
  /** The device, for the runtime. */
  readonly keeper: Keeper;
}

/** True for device arrays: the leaves of a parameter tree on a device. */
export function isDeviceArray(value: unknown): value is DeviceArray {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "device";
}

/** What an array is called in messages. */
export function arrayLabel(type: ElementType, shape: Shape): string {
  return `array ${describe(type, shape)}`;
}

/** The handle of an array and of its memory in one. */
class ArrayHandle extends UseOnceValue<Allocation> implements DeviceArray {
  readonly kind = "device";
  readonly keeper: Keeper;
  readonly shape: Shape;
  readonly type: ElementType;
  #isWatched = false;

  constructor(
    keeper: Keeper,
    allocation: Allocation,
    shape: Shape,
    type: ElementType,
    label: string,
  ) {
    super(label, allocation);
    this.keeper = keeper;
    this.shape = shape;
    this.type = type;
  }

  get memory(): Owned<Allocation> {
    return this;
  }

  watch(): void {
    this.#isWatched = true;
  }

  override take(taker: string): Allocation {
    const allocation = super.take(taker);
    if (this.#isWatched) this.keeper.arrayDied();
    return allocation;
  }

  release(): void {
    if (this.live) this.keeper.free(this.take("release"));
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** Makes the handle of an allocation. */
export function deviceArray(
  keeper: Keeper,
  allocation: Allocation,
  shape: Shape,
  type: ElementType,
  label: string = arrayLabel(type, shape),
): DeviceArray {
  return new ArrayHandle(keeper, allocation, shape, type, label);
}
