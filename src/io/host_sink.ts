/**
 * A sink that gathers parts in host memory.
 *
 * @module
 */
import { isPacked } from "../core/dtype.ts";
import { type HostTensor, hostTensor, packedHostTensor } from "../core/host_tensor.ts";
import type { TensorSink } from "../core/tensor_sink.ts";

/** A sink whose tensors are gathered and then handed to a function as a whole. */
export function hostSink<Leaf>(place: (tensor: HostTensor) => Leaf): TensorSink<Leaf> {
  return {
    begin: (type, shape, byteLength) => {
      const bytes = new Uint8Array(byteLength);
      const whole = (): HostTensor => {
        if (isPacked(type)) return packedHostTensor(type, shape, bytes);
        const { buffer } = bytes;
        return hostTensor(
          type === "f32" ? new Float32Array(buffer) : new Int32Array(buffer),
          shape,
        );
      };
      return {
        write: (part, offset) => bytes.set(part, offset),
        end: () => place(whole()),
        abandon: () => {},
      };
    },
  };
}
