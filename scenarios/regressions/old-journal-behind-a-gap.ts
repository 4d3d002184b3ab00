/**
 * Entries of two lives in one chain. A crash lost one journal entry and kept the one behind it. The next life wrote an
 * entry of its own into the gap, in a new epoch with the sequence of the lost one, and after another crash recovery went
 * on from there to the old entry behind it, since only the sequences had to follow. Each entry now names the one that it
 * was written behind by its checksum.
 *
 * Whoever lost power twice would have had a pool that does not open, or rows of changes that had never been durable:
 *
 *     crash state 0 (issue of write 58: volatile operation 1 is torn):
 *     used and crashed again at issue of write 43: everything survives: PoolFailed: btree node of table 2, level 0,
 *     at byte 1182154: the base record does not verify
 *
 * Made short from `many-lives:7`. Seed 1 repeats that run, the others crash the same operations elsewhere.
 */
import { scripted } from "../../harness/shrink/script.ts";

export const oldJournalBehindGap = scripted({
  name: "regressions/old-journal-behind-a-gap",
  summary: "entries of an earlier life stand behind a gap in the journal that the next life fills",
  draws: "many-lives:7/6",
  geometry: { capacityBytes: 16777216, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false, zones: undefined },
  tolerance: { noSpace: false, reasons: [] },
  // issue of write 58: volatile operation 1 is torn.
  // then, in the life after that, issue of write 43: everything survives.
  crash: {
    statesMax: 12,
    lifeStatesMax: 3,
    pointShare: 1,
    recoveryShare: 0,
    only: {
      phase: "issue",
      operation: "write",
      index: 58,
      survives: { kind: "torn", position: 1, seed: 2619937510 },
      next: { during: "life", phase: "issue", operation: "write", index: 43, survives: { kind: "all" } },
    },
  },
  clients: [
    [
      { kind: "create", path: "/a" },
      { kind: "create", path: "/b" },
      {
        kind: "setxattr",
        target: "/b",
        name: "user.long-name-of-an-attribute",
        pattern: { tag: 1, lengthBytes: 20480, texture: "text" },
        mode: "set",
      },
      {
        kind: "setxattr",
        target: "/a",
        name: "user.long-name-of-an-attribute",
        pattern: { tag: 2, lengthBytes: 24576, texture: "text" },
        mode: "set",
      },
      {
        kind: "setxattr",
        target: "/a",
        name: "trusted.c",
        pattern: { tag: 3, lengthBytes: 16384, texture: "text" },
        mode: "set",
      },
    ],
  ],
  lives: [
    {
      operations: [
        { kind: "append", target: "/a", pattern: { tag: 4, lengthBytes: 1, texture: "text" } },
        { kind: "fsync", target: "/a" },
      ],
      closes: false,
    },
  ],
});
