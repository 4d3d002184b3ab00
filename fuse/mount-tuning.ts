/**
 * What is set for a mount once it stands, beside what was negotiated: how much the kernel reads ahead, and gathers of
 * what programs write. Its defaults for what a server keeps are low.
 */
import { writeFileSync } from "node:fs";

/**
 * What a mount's dirty pages may take of the memory for such pages, in percent; the kernel's own choice is 1.
 *
 * From three quarters on the kernel holds back whoever writes, and that must not be a server on its way to the devices
 * because of what it is about to write there: three mounts together stay below. Writers of one gain nothing by more.
 */
const DIRTY_PERCENT_MAX = 20;

/** `device` is the mount's number. What cannot be set stays as it is, and `report` gets a line. */
export function tuneKernel(device: string, readaheadBytes: number, report: (line: string) => void): void {
  const set = (name: string, value: number, otherwise: string): void => {
    try {
      writeFileSync(`/sys/class/bdi/${device}/${name}`, String(value));
    } catch (error) {
      report(`${otherwise}: ${String(error)}`);
    }
  };
  set("read_ahead_kb", Math.floor(readaheadBytes / 1024), "reading ahead stays as it is");
  set("max_ratio", DIRTY_PERCENT_MAX, "the kernel gathers few writes");
}
