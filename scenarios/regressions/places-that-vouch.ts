/**
 * A second crash undid what the first recovery had found. The last entries of the journal refer to data that was gone
 * again by their end, so the buckets of that data came free in the recovery, and the recovered pool wrote over them. It
 * lost power before an entry of its own was durable. The next recovery looked again whether that data had arrived, found
 * other bytes, and took the journal to end earlier. All that was synced before the first crash could be lost:
 *
 *     crash state 0 (issue of write 57: everything survives):
 *     used and crashed again at issue of discard 48: everything survives: recovered is not any state from the
 *     beginning to #1 client of the next life: mknod(1/c, 0o100644) (crash after #2, 0 syncs completed)
 *     used and crashed again at issue of discard 48: everything survives: /b: is missing (inode 3)
 *
 * Made short from two lives. Seed 1 repeats that run, the others crash the same operations elsewhere.
 */
import { scripted } from "../../harness/shrink/script.ts";

export const placesThatVouch = scripted({
  name: "regressions/places-that-vouch",
  summary: "a recovered pool is crashed again before anything of it is durable",
  draws: "hand:1",
  geometry: { capacityBytes: 8388608, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false, zones: undefined },
  tolerance: { noSpace: false, reasons: [] },
  open: { dirtyBytesMax: 50000 },
  // issue of write 57: everything survives.
  // then, in the life after that, issue of discard 48: everything survives.
  crash: {
    statesMax: 12,
    lifeStatesMax: 4,
    pointShare: 1,
    recoveryShare: 0,
    only: {
      phase: "issue",
      operation: "write",
      index: 57,
      survives: { kind: "all" },
      next: { during: "life", phase: "issue", operation: "discard", index: 48, survives: { kind: "all" } },
    },
  },
  clients: [
    [
      { kind: "create", path: "/a" },
      { kind: "write", target: "/a", offsetBytes: 0, pattern: { tag: 1, lengthBytes: 50000, texture: "text" } },
      { kind: "write", target: "/a", offsetBytes: 0, pattern: { tag: 2, lengthBytes: 1, texture: "text" } },
      { kind: "unlink", path: "/a" },
      { kind: "mkdir", path: "/b" },
    ],
  ],
  lives: [
    {
      operations: [
        { kind: "create", path: "/c" },
        { kind: "write", target: "/c", offsetBytes: 0, pattern: { tag: 3, lengthBytes: 50000, texture: "text" } },
        { kind: "write", target: "/c", offsetBytes: 0, pattern: { tag: 4, lengthBytes: 1, texture: "text" } },
      ],
      closes: false,
    },
  ],
});
