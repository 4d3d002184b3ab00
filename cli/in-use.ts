/**
 * One process at a time keeps what a campaign leaves behind for the next.
 */
import { takeLock } from "../harness/corpus/lock.ts";
import { CannotError } from "./exit.ts";

/** Keeps others from `what` by a file of this path; returns what ends that. */
export function keepOthersOut(what: string, path: string): () => void {
  let lock: ReturnType<typeof takeLock>;
  try {
    lock = takeLock(path);
  } catch (error) {
    throw new CannotError(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof lock === "number") {
    throw new CannotError(`${what} is in use by process ${lock}; if that is something else, remove ${path}`);
  }
  return lock;
}
