/**
 * A crash as data: at which I/O of the disk the power went, and which of the volatile operations survived.
 *
 * A choice names one of the strategies of devices/sim/survival.ts with its numbers, so that a crash state can be
 * printed, kept in a script and taken again.
 */
import type { DeviceOperation } from "../devices/device.ts";
import {
  type Survival,
  survivesAll,
  survivesAllBut,
  survivesAllButTorn,
  survivesKeyed,
  survivesNone,
  survivesOnly,
  survivesPrefix,
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
  | { readonly kind: "reordered"; readonly seed: number };

/**
 * An I/O that changes the medium, as the observer of a disk hears of it; or the return of a sync to a client, which
 * counts as one of the flush that it should have waited for.
 */
export interface IoPoint {
  readonly phase: "issue" | "complete" | "return";
  readonly operation: DeviceOperation;
  /** Number among all operations of the disk, or among all syncs that returned. */
  readonly index: number;
}

export interface CrashPoint extends IoPoint {
  readonly survives: SurvivalChoice;
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
  }
}

export const describeIo = ({ phase, operation, index }: IoPoint): string =>
  phase === "return" ? `return of sync ${index}` : `${phase} of ${operation} ${index}`;

export const describeCrash = (point: CrashPoint): string => `${describeIo(point)}: ${describeSurvival(point.survives)}`;

export const isAt = (a: IoPoint, b: IoPoint): boolean =>
  a.index === b.index && a.phase === b.phase && a.operation === b.operation;
