/**
 * A time that did not come back from the future. A file whose time of modification lies ahead (from a clock that was
 * wrong, or set by hand) is written to; writeback kept the later of the two times, so the file seemed unchanged once its
 * data was on disk. Programs that go by that time, make and rsync among them, would have passed the change over:
 *
 *     client 0: link(2, 1/a): inode 2 was modified at {"seconds":2369377053,"nanoseconds":98097046}, which was set
 *     before its last change
 *
 * Made short from a run of two clients that make and change names of all kinds. Seed 1 repeats that run.
 */
import { scripted } from "../../harness/shrink/script.ts";

export const timeInTheFuture = scripted({
  name: "regressions/time-in-the-future",
  summary: "a file with a time in the future is written to, and its data written back",
  draws: "short-names:142",
  geometry: { capacityBytes: 8388608, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false, zones: undefined },
  tolerance: { noSpace: false, reasons: [] },
  crash: { statesMax: 0, pointShare: 0, recoveryShare: 0 },
  clients: [
    [
      { kind: "create", path: "/a" },
      { kind: "open", path: "/a", handle: "1" },
      { kind: "setattr", target: "/a", changes: { modified: { seconds: 2369377053, nanoseconds: 98097046 } } },
      { kind: "write", target: "/a", offsetBytes: 0, pattern: { tag: 1, lengthBytes: 1, texture: "text" } },
      { kind: "mknod", path: "/b", type: "socket", rdev: 42238 },
      { kind: "rename", from: "/a", to: "/b", mode: "replace" },
      { kind: "link", target: "@1", path: "/a" },
    ],
  ],
});
