/**
 * Uploads in parts: a device as the place where tensors go.
 *
 * @module
 */
import { isPacked } from "../core/dtype.ts";
import type { TensorSink } from "../core/tensor_sink.ts";
import type { Device } from "./device.ts";
import { type DeviceArray, deviceArray } from "./device_array.ts";

/**
 * A sink that writes tensors straight into a device's memory; a device that packs gets matrices as
 * they are stored.
 *
 * @example
 * ```ts
 * import { createDevice, read, uploadsTo } from "@outrider/outrider/runtime";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const parts = uploadsTo(device).begin("i32", [2], 8);
 * parts.write(new Uint8Array(Int32Array.of(2).buffer), 4);
 * parts.write(new Uint8Array(Int32Array.of(1).buffer), 0);
 * using array = parts.end();
 * assertEquals(await read(array), Int32Array.of(1, 2));
 * ```
 */
export function uploadsTo(device: Device): TensorSink<DeviceArray> {
  return {
    activations: device.backend.activations,
    begin: (type, shape, byteLength) => {
      const { pack } = device.backend;
      const allocation = device.reserve(byteLength);
      return {
        pack: pack && isPacked(type) ? (rows) => pack(allocation, type, rows) : undefined,
        write: (bytes, offset) => device.backend.write(allocation, bytes, offset),
        end: () => deviceArray(device, allocation, shape, type),
        abandon: () => device.free(allocation),
      };
    },
  };
}
