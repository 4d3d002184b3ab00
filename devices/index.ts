/**
 * `varve/devices`: the device contract and everything that honours it.
 *
 * `makeMemoryDevice` keeps bytes in memory, `openFileDevice` serves a file or block device of the system, and `SimDisk`
 * is a disk that tears, loses, rots and refuses on demand, and whose crash states are forked in microseconds. Whoever
 * writes another device runs `conformanceCases` over it.
 */
export {
  DeviceGone,
  type Device,
  type DeviceError,
  type DeviceOperation,
  type Geometry,
  MediumError,
  OutOfRange,
  type ZoneGeometry,
  type ZoneReport,
  type Zones,
  type ZoneState,
  ZoneViolation,
} from "./device.ts";
export { type ConformanceCase, conformanceCases } from "./conformance/index.ts";
export { createFile, DeviceRefused, type FileDeviceOptions, openFileDevice } from "./file.ts";
export { makeMemoryDevice, type MemoryDeviceOptions } from "./memory.ts";
export * from "./sim/index.ts";
