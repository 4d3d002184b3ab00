/**
 * A device number where there is no device. mknod stored the number that it was given with a FIFO or a socket too, and
 * stat showed it. Backups and file comparisons would have told such files apart that are the same:
 *
 *     client 0: mknod(1/a, 0o10600): inode 2 has rdev 43035, expected 0
 *
 * Made short from a run of two clients that make names of all kinds. Seed 1 repeats that run.
 */
import { scripted } from "../../harness/shrink/script.ts";

export const deviceNumberOfFifo = scripted({
  name: "regressions/device-number-of-a-fifo",
  summary: "a FIFO is made with a device number",
  draws: "fifo:1",
  geometry: { capacityBytes: 8388608, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false, zones: undefined },
  tolerance: { noSpace: false, reasons: [] },
  crash: { statesMax: 0, pointShare: 0, recoveryShare: 0 },
  clients: [[{ kind: "mknod", path: "/a", type: "fifo", rdev: 43035 }]],
});
