/**
 * The storage engine: `varve/engine`.
 *
 * `formatPool` makes a pool on devices, `openPool` recovers and opens one; its `filesystem` is POSIX on inode numbers.
 * Everything is an Effect: scheduler, clock and entropy are taken from the context, so the same calls run in production
 * and inside a simulation.
 */
export { PoolFailed } from "./actor.ts";
export { BUCKET_BYTES_MAX, BUCKET_BYTES_MIN, defaultBucketBytes } from "./device/bucket-io.ts";
export * from "./fs/types.ts";
export type { CheckReport, Problem } from "./check/findings.ts";
export { checkPool, checkRuntime } from "./pool/check-pool.ts";
export { SurvivorLog, type SurvivorOptions } from "./journal/survivor-log.ts";
export type { SurvivorMemory } from "./journal/survivor-scan.ts";
export { marks, reached, resetMarks } from "./marks.ts";
export {
  DeviceFailed,
  NotAPool,
  NotTakenOver,
  PoolDamaged,
  type PoolError,
  TooSmall,
  UnsupportedVersion,
  WrongMembers,
} from "./pool/errors.ts";
export type { CheckOptions } from "./check/check.ts";
export {
  formatPool,
  type OpenOptions,
  openPool,
  type Pool,
  type PoolState,
  readPoolState,
  readSuperblock,
  type Usage,
} from "./pool/pool.ts";
export { type FormatOptions, JOURNAL_BUCKETS_MIN, POOL_BYTES_MIN } from "./pool/shape.ts";
