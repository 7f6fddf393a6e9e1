/**
 * Flags of the WebGPU standard (section "Namespaces"), which Deno's types do not name.
 *
 * @module
 */

/** What buffers are for: GPUBufferUsage. */
export const BUFFER_USAGE = { mapRead: 0x1, copySource: 0x4, copyTarget: 0x8, storage: 0x80 };

/** GPUMapMode.READ. */
export const MAP_FOR_READING = 0x1;

/** GPUShaderStage.COMPUTE. */
export const COMPUTE_STAGE = 0x4;
