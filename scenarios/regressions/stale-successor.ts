/**
 * One read that gave what stood there before cut the journal of a pool short while it was opened. Of a life that came to
 * nothing an entry had been left, behind a first one that was lost; the next life wrote its entries to the same places,
 * and the old one, read where the new one stands, was taken for it since its number fitted. What came behind did not
 * follow it: the pool was refused as damaged, or what had been synced last was missing:
 *
 *     crash state 4 (issue of discard 68: operations survive by key 1542047068):
 *     used and crashed again at issue of flush 52: volatile operation 1 is torn: used and crashed again at issue of
 *     write 62: operations survive by key 720501188, reordered: used and crashed again at complete of flush 60:
 *     everything survives: PoolDamaged: journal entry 5, known to be durable, cannot be read
 *
 * Made short from `stale-reads:494`. Seed 1 repeats that run, the others crash the same operations elsewhere.
 */
import { FaultPlan } from "../../devices/sim/faults.ts";
import { scripted } from "../../harness/shrink/script.ts";

export const staleSuccessor = scripted({
  name: "regressions/stale-successor",
  summary: "lives that come to nothing, and reads that give what they had written",
  draws: "stale-reads:494/1",
  geometry: { capacityBytes: 16777216, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false, zones: undefined },
  tolerance: { noSpace: false, reasons: [] },
  open: { checkpointChunks: 1 },
  // issue of discard 68: operations survive by key 1542047068.
  // then, in the life after that, issue of flush 52: volatile operation 1 is torn.
  // then, in the life after that, issue of write 62: operations survive by key 720501188, reordered.
  // then, in the life after that, complete of flush 60: everything survives.
  crash: {
    faults: new FaultPlan(199006117, [{ kind: "stale-read", probability: 0.2, respite: 8 }]),
    statesMax: 3,
    lifeStatesMax: 2,
    pointShare: 1,
    recoveryShare: 0,
    only: {
      phase: "issue",
      operation: "discard",
      index: 68,
      survives: { kind: "keyed", seed: 1542047068 },
      state: 4,
      next: {
        during: "life",
        phase: "issue",
        operation: "flush",
        index: 52,
        survives: { kind: "torn", position: 1, seed: 1489988638 },
        state: 2,
        next: {
          during: "life",
          phase: "issue",
          operation: "write",
          index: 62,
          survives: { kind: "reordered", seed: 720501188 },
          state: 2,
          next: {
            during: "life",
            phase: "complete",
            operation: "flush",
            index: 60,
            survives: { kind: "all" },
            state: 2,
          },
        },
      },
    },
  },
  clients: [[{ kind: "create", path: "/a" }]],
  lives: [
    {
      operations: [{ kind: "mknod", path: "/b", type: "character", rdev: 49234 }],
      closes: true,
    },
    {
      operations: [],
      closes: true,
    },
    {
      operations: [],
      closes: true,
    },
  ],
});
