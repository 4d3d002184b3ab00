/**
 * The memory of this process, looked at again and again, and the limits of its pool moved so that it stays in budget.
 *
 * The shell of `memory-control.ts`: it alone asks the operating system, and nothing in the engine knows of it.
 */
import { totalmem } from "node:os";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as Effect from "effect/Effect";
import type { Pool } from "../engine/pool/pool.ts";
import {
  defaultBudgetBytes,
  divideMemory,
  type MemoryShares,
  MemoryTooSmall,
  type MemoryWishes,
} from "./memory-budget.ts";
import type { MemoryControl } from "./memory-control.ts";

const LOOK_EVERY_MS = 250;
const MEBIBYTE = 1024 * 1024;

/** Memory that this process may have at all: the machine's, or less if it was told so (a container). */
function machineBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

/** The shares of a budget, or of the default one, which makes room for what was asked for by name. */
export function memoryShares(budgetBytes: number | undefined, wishes: MemoryWishes): MemoryShares | MemoryTooSmall {
  if (budgetBytes !== undefined) return divideMemory(budgetBytes, wishes);
  const usual = defaultBudgetBytes(machineBytes());
  const divided = divideMemory(usual, wishes);
  if (!(divided instanceof MemoryTooSmall)) return divided;
  const { nodeCacheBytes = 0, dirtyBytesMax = 0, readCacheBytes = 0 } = wishes;
  return divideMemory(usual + nodeCacheBytes + dirtyBytesMax + readCacheBytes, wishes);
}

/** What is asked of the process. */
export interface ProcessMemory {
  readonly residentBytes: () => number;
  readonly collectGarbage: () => void;
}

let collector: (() => void) | undefined;

export const processMemory: ProcessMemory = {
  residentBytes: () => process.memoryUsage.rss(),
  collectGarbage: () => {
    if (collector === undefined) {
      setFlagsFromString("--expose-gc");
      collector = runInNewContext("gc") as () => void;
    }
    collector();
  },
};

/** Watches until it is interrupted. */
export function watchMemory(
  pool: Pick<Pool, "limitMemory">,
  control: MemoryControl,
  memory: ProcessMemory,
  report: (line: string) => void,
): Effect.Effect<never> {
  let tight = false;
  const look = Effect.sync(() => {
    const resident = memory.residentBytes();
    const { limits, collect } = control.look(resident);
    if (limits !== undefined) pool.limitMemory(limits);
    if (collect) memory.collectGarbage();
    if (collect && !tight) report(`memory is tight: ${Math.round(resident / MEBIBYTE)} MiB are resident`);
    tight = collect || (tight && control.ease < 1);
  });
  return Effect.forever(Effect.andThen(Effect.sleep(LOOK_EVERY_MS), look));
}
