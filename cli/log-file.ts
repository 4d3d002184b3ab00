/**
 * The log of a server: lines with the time, appended to a file, or on standard error; or lines of the system's log.
 */
import { spawn } from "node:child_process";
import { openSync, writeSync } from "node:fs";

export function logTo(path: string | undefined): (line: string) => void {
  const descriptor = path === undefined ? 2 : openSync(path, "a");
  return (line) => {
    try {
      writeSync(descriptor, `${new Date().toISOString()} ${line}\n`);
    } catch {
      // A log that cannot be written, on a full disk or a closed terminal, is no reason to stop serving.
    }
  };
}

/** By the system's program `logger`; a machine without one has no such log. */
export function logToSystem(about: string): (line: string) => void {
  return (line) => {
    const logger = spawn("logger", ["--tag", "varve", "--", `${about}: ${line}`], { stdio: "ignore", detached: true });
    logger.on("error", () => {});
    logger.unref();
  };
}
