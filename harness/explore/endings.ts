/**
 * How a sequence ends that does not end with a sync: with each persistence operation that could matter to its last step,
 * as in ACE, and with none at all but the time in which the engine makes things durable on its own.
 */
import { fsync, parentOf, type Step, syncfs } from "./alphabet.ts";
import type { Sketch } from "./sketch.ts";
import type { Operation } from "../workload/operation.ts";

export interface Ending {
  readonly text: string;
  /** None if the sequence ends by itself. */
  readonly operation: Operation | undefined;
}

/** Longer than the intervals of commit and writeback in `sequence-run.ts`, one after the other. */
export const IDLE_MS = 8000;

const asEnding = (step: Step): Ending => ({ text: step.text, operation: step.operation(0) });

/**
 * fsync of the last path that the last step names, if something is there; of its directory; syncfs; and idling.
 * `sketch` is what is there behind the last step.
 */
export function endingsOf(steps: ReadonlyArray<Step>, sketch: Sketch): ReadonlyArray<Ending> {
  const last = steps.at(-1)!;
  if (last.kind === "fsync" || last.kind === "syncfs") return [{ text: "", operation: undefined }];
  const target = last.paths.at(-1)!;
  const parent = parentOf(target) === "" ? "/" : parentOf(target);
  return [
    ...(sketch.after(fsync(target)) !== undefined && sketch.has(target) ? [asEnding(fsync(target))] : []),
    asEnding(fsync(parent)),
    asEnding(syncfs),
    { text: `idle for ${IDLE_MS} ms`, operation: { kind: "sleep", milliseconds: IDLE_MS } },
  ];
}
