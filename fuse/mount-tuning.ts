/**
 * What is set for a mount once it stands, beside what was negotiated.
 */
import { writeFileSync } from "node:fs";

/** Lets the kernel read so far ahead, which it does not for what a server asks. `device` is the mount's number. */
export function raiseReadAhead(device: string, bytes: number, report: (line: string) => void): void {
  try {
    writeFileSync(`/sys/class/bdi/${device}/read_ahead_kb`, String(Math.floor(bytes / 1024)));
  } catch (error) {
    report(`reading ahead stays as it is: ${String(error)}`);
  }
}
