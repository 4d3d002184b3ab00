/**
 * A crash as data: at which I/O of the disk the power went, which of the volatile operations survived, and which crash
 * came next.
 *
 * A choice names one of the strategies of devices/sim/survival.ts with its numbers, so that a crash state can be
 * printed, kept in a script and taken again. A path goes on from a crash into the recovery, or into the life of the pool
 * that was recovered.
 */
import type { DeviceOperation } from "../devices/device.ts";
import type { DiskPhase } from "../devices/sim/operation-runner.ts";
import {
  type Survival,
  survivesAll,
  survivesAllBut,
  survivesAllButTorn,
  survivesKeyed,
  survivesNone,
  survivesOnly,
  survivesPrefix,
  survivesProcess,
  survivesReordered,
} from "../devices/sim/survival.ts";

export type SurvivalChoice =
  | { readonly kind: "none" }
  | { readonly kind: "all" }
  | { readonly kind: "prefix"; readonly count: number }
  | { readonly kind: "all-but"; readonly position: number }
  | { readonly kind: "only"; readonly position: number }
  | { readonly kind: "torn"; readonly position: number; readonly seed: number }
  | { readonly kind: "keyed"; readonly seed: number }
  | { readonly kind: "reordered"; readonly seed: number }
  /** The process dies, the machine does not. */
  | { readonly kind: "process"; readonly seed: number };

/**
 * An I/O that changes the medium, as the observer of a disk hears of it; or the return of a sync to a client, which
 * counts as one of the flush that it should have waited for; or a write into memory that outlives the process.
 */
export interface IoPoint {
  readonly phase: DiskPhase | "return" | "keep";
  readonly operation: DeviceOperation;
  /** Number among all operations of the disk, or among all syncs that returned. */
  readonly index: number;
}

export interface CrashPoint extends IoPoint {
  readonly survives: SurvivalChoice;
}

/** A crash and those that followed it, down to the state that was judged. */
export interface CrashPath extends CrashPoint {
  /** Number of the state among those that were taken, from which its recovery draws; the first unless told. */
  readonly state?: number;
  readonly next?: LaterCrash;
}

export interface LaterCrash extends CrashPath {
  /** Of the pool that the crash before left: while it was recovered, or while it was used after that. */
  readonly during: "recovery" | "life";
}

/** The crashes of a path, the first one first. */
export function crashesOf(path: CrashPath): ReadonlyArray<CrashPath> {
  return path.next === undefined ? [path] : [path, ...crashesOf(path.next)];
}

/** A path whose crash at some depth, 0 the first one, is changed or left out with all that followed. */
export function changedAt(
  path: CrashPath,
  depth: number,
  change: (crash: CrashPath) => CrashPath | undefined,
): CrashPath | undefined {
  if (depth === 0) return change(path);
  const { next, ...crash } = path;
  if (next === undefined) return path;
  const changed = changedAt(next, depth - 1, change);
  return changed === undefined ? crash : { ...crash, next: { ...changed, during: next.during } };
}

export function survivalOf(choice: SurvivalChoice): Survival {
  switch (choice.kind) {
    case "none":
      return survivesNone;
    case "all":
      return survivesAll;
    case "prefix":
      return survivesPrefix(choice.count);
    case "all-but":
      return survivesAllBut(choice.position);
    case "only":
      return survivesOnly(choice.position);
    case "torn":
      return survivesAllButTorn(choice.position, choice.seed);
    case "keyed":
      return survivesKeyed(choice.seed);
    case "reordered":
      return survivesReordered(choice.seed);
    case "process":
      return survivesProcess(choice.seed);
  }
}

export function describeSurvival(choice: SurvivalChoice): string {
  switch (choice.kind) {
    case "none":
      return "nothing volatile survives";
    case "all":
      return "everything survives";
    case "prefix":
      return `the first ${choice.count} volatile operations survive`;
    case "all-but":
      return `all but volatile operation ${choice.position} survive`;
    case "only":
      return `only volatile operation ${choice.position} survives`;
    case "torn":
      return `volatile operation ${choice.position} is torn`;
    case "keyed":
      return `operations survive by key ${choice.seed}`;
    case "reordered":
      return `operations survive by key ${choice.seed}, reordered`;
    case "process":
      return `the process dies, by key ${choice.seed}`;
  }
}

export const describeIo = ({ phase, operation, index }: IoPoint): string =>
  phase === "return"
    ? `return of sync ${index}`
    : phase === "keep"
      ? `keeping of frame ${index}`
      : `${phase} of ${operation} ${index}`;

export const describeCrash = (point: CrashPoint): string => `${describeIo(point)}: ${describeSurvival(point.survives)}`;

const DURING = { recovery: "then, in the recovery", life: "then, in the life after that" } as const;

/** Each crash of a path in a line. */
export const describePath = (path: CrashPath): ReadonlyArray<string> => [
  describeCrash(path),
  ...(path.next === undefined ? [] : describeLater(path.next)),
];

function describeLater(crash: LaterCrash): ReadonlyArray<string> {
  const [first, ...others] = describePath(crash);
  return [`${DURING[crash.during]}, ${first}`, ...others];
}

export const isAt = (a: IoPoint, b: IoPoint): boolean =>
  a.index === b.index && a.phase === b.phase && a.operation === b.operation;
