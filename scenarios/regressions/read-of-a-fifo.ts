/**
 * What is no file, read like one. Reading a directory or a FIFO by its inode succeeded and gave nothing, as of an empty
 * file. Whoever copies by reading would have made an empty file of a directory, without an error:
 *
 *     client 0: read(2, 0, 0): it succeeded, expected IsDirectory or InvalidArgument
 *
 * Made short from a run of two clients that make and read names of all kinds. Seed 1 repeats that run.
 */
import { scripted } from "../../harness/shrink/script.ts";

export const readOfFifo = scripted({
  name: "regressions/read-of-a-fifo",
  summary: "a FIFO is read like a file",
  draws: "short-names:18",
  geometry: { capacityBytes: 8388608, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false, zones: undefined },
  tolerance: { noSpace: false, reasons: [] },
  crash: { statesMax: 0, pointShare: 0, recoveryShare: 0 },
  clients: [
    [
      { kind: "mknod", path: "/a", type: "fifo", rdev: 63506 },
      { kind: "read", target: "/a", offsetBytes: 0, lengthBytes: 0 },
    ],
  ],
});
