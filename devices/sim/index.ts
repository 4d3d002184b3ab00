/**
 * The simulated disk and its parts, without any device of the real system: safe to import into a simulation.
 */
export { CrashImage } from "./crash.ts";
export { SimDisk, type SimDiskBehaviour, type SimDiskOptions } from "./disk.ts";
export { type Fault, type FaultKind, FaultPlan, noFaults } from "./faults.ts";
export { chance, hashName, mix32 } from "./keyed-hash.ts";
export { Media, PAGE_BYTES } from "./media.ts";
export type { DiskObserver, DiskPhase } from "./operation-runner.ts";
export { DiskStatistics, HEAT_BLOCK_BYTES } from "./statistics.ts";
export {
  type Fate,
  type Survival,
  survivesAll,
  survivesAllBut,
  survivesAllButTorn,
  survivesKeyed,
  survivesNone,
  survivesOnly,
  survivesPrefix,
  survivesReordered,
  survivesSubset,
} from "./survival.ts";
export { fixedTiming, instantTiming, spreadTiming, type Timing } from "./timing.ts";
export type { VolatileKind, VolatileOperation } from "./volatile.ts";
export { ZoneTable } from "./zones.ts";
