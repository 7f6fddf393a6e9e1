/**
 * The runtime: the one door that has effects.
 *
 * @module
 */
export * from "./backend.ts";
export * from "./compile.ts";
export * from "./device.ts";
export { type DeviceArray, isDeviceArray, type Keeper } from "./device_array.ts";
export { nextTurn, turnsEvery } from "./next_turn.ts";
export { own, type Owned } from "./owned.ts";
export type { Signed, Signer } from "./signature.ts";
export { uploadsTo } from "./uploads.ts";
