/**
 * The log of a server: lines with the time, appended to a file, or on standard error.
 */
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
