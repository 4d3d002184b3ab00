/**
 * `varve/fuse`: a pool as a mounted directory.
 *
 * `serve` opens a pool on files or block devices and mounts it; `Operations` maps requests of the kernel to a
 * `Filesystem` for whoever writes another transport. Linux only; the native package it needs is optional.
 */
export { findServer, type ServerEnd, type ServerIdentity, type ServerLink } from "./control.ts";
export { type Interval, intervalBetween, type OperationRate } from "./interval.ts";
export type { ServerStatus } from "./status.ts";
export { Errno, errnoOf, errnoOfReason } from "./errno.ts";
export { type ServeError, serve, type ServeRequest } from "./mount.ts";
export {
  MOUNT_DEFAULTS,
  mountOptionHelp,
  MountOptionError,
  type MountOptions,
  parseMountOptions,
} from "./mount-options.ts";
export { MOUNT_TYPE, type MountEntry, mountAt, MountPointError, unmount } from "./mount-point.ts";
export { DirectTransport } from "./direct.ts";
export { loadBinding } from "./native-binding.ts";
export { makeNativeTransport, type NativeTransport } from "./native.ts";
export { Operations, type SetAttributes } from "./operations.ts";
export { type Session, TransportMissing, type TransportServices } from "./transport.ts";
export { ProductionScheduler } from "./scheduler.ts";
