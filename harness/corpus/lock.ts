/**
 * One process at a time keeps a corpus: a file with the number of the process that does.
 *
 * What a killed process leaves behind is taken over, since no process of that number runs any more.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Of another user, so that it runs all the same.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** The process that keeps it, if it still runs. */
function holderOf(path: string): number | undefined {
  const pid = Number(readFileSync(path, "utf8"));
  return Number.isSafeInteger(pid) && pid > 0 && pid !== process.pid && isRunning(pid) ? pid : undefined;
}

/** Takes the lock and returns what gives it back; the number of the process that has it when it cannot be had. */
export function takeLock(path: string): (() => void) | number {
  const write = (): void => writeFileSync(path, `${process.pid}\n`, { flag: "wx" });
  try {
    write();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const holder = holderOf(path);
    if (holder !== undefined) return holder;
    rmSync(path, { force: true });
    write();
  }
  return () => rmSync(path, { force: true });
}
