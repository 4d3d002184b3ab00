import { describe, expect, it } from "vitest";
import { CheckpointRoom, type CheckpointRoomServices } from "./checkpoint-room.ts";
import type { Node } from "./node.ts";

const BLOCK_BYTES = 4096;
const BUCKET_BYTES = 32 * BLOCK_BYTES;
/** Of which 64 take a block. */
const NODE = { level: 0, pointer: undefined, leaf: undefined, interior: undefined, parent: undefined };

/** Buckets of 32 blocks, and nodes of which so many are to be written. */
function roomWith(dirty: number, freeCount: number, openBytes = 0) {
  let visited = 0;
  const nodes = Array.from({ length: dirty }, () => ({ ...NODE }) as unknown as Node);
  const state = {
    trees: {
      batchNodesMax: 3,
      dirty: {
        get count() {
          return nodes.length;
        },
        *[Symbol.iterator]() {
          visited++;
          yield* nodes;
        },
      },
    },
    io: { members: [{ layout: { roundUp: () => BLOCK_BYTES } }] },
    buckets: { freeCount, bucketUsableBytes: BUCKET_BYTES, scarce: freeCount <= 4 },
    writePoint: { openBytes },
  };
  const room = new CheckpointRoom(state as unknown as CheckpointRoomServices);
  return { room, nodes, ...state, visits: () => visited };
}

describe("room for a checkpoint", () => {
  it("runs out when all nodes fit, and will not once another bucket is taken", () => {
    // 1,600 nodes take 25 blocks, and a fifth more than that to be sure.
    expect(roomWith(1600, 2).room.runsOut).toBe(false);
    expect(roomWith(1600, 1, BUCKET_BYTES).room.runsOut).toBe(false);
    expect(roomWith(1600, 1).room.runsOut).toBe(true);
    expect(roomWith(1600, 1, 29 * BLOCK_BYTES).room.runsOut).toBe(true);
    expect(roomWith(1600, 0, 31 * BLOCK_BYTES).room.runsOut).toBe(true);
    // Too late: a checkpoint would find no room, and whatever else is written may free some.
    expect(roomWith(1600, 0, 29 * BLOCK_BYTES).room.runsOut).toBe(false);
    expect(roomWith(3000, 1).room.runsOut).toBe(false);
  });

  it("is counted anew when a bucket was taken or there are many more nodes, and not at all while there is plenty", () => {
    const { room, nodes, buckets, visits } = roomWith(1600, 3);
    expect(room.runsOut).toBe(false);
    expect(room.runsOut).toBe(false);
    nodes.push(...nodes.slice(0, 150));
    expect(room.runsOut).toBe(false);
    expect(visits()).toBe(1);
    nodes.push(...nodes.slice(0, 150));
    expect(room.runsOut).toBe(false);
    expect(visits()).toBe(2);
    buckets.freeCount--;
    expect(room.runsOut).toBe(false);
    expect(visits()).toBe(3);
    buckets.freeCount = 10_000;
    buckets.scarce = false;
    expect(room.runsOut).toBe(false);
    expect(visits()).toBe(3);
  });

  it("has nodes written a few at a time only where buckets are not scarce", () => {
    expect(roomWith(0, 5).room.chunkNodesMax).toBe(3);
    expect(roomWith(0, 4).room.chunkNodesMax).toBe(64);
  });
});
