import { describe, expect, it } from "vitest";
import { CheckpointRoom, type CheckpointRoomServices } from "./checkpoint-room.ts";
import type { Node } from "./node.ts";

const BLOCK_BYTES = 4096;
const BUCKET_BYTES = 32 * BLOCK_BYTES;
/** Of which 64 take a block. */
const NODE = { level: 0, pointer: undefined, leaf: undefined, interior: undefined, parent: undefined, absorbed: [] };

/** Buckets of 32 blocks, and nodes of which so many are to be written. */
function roomWith(dirty: number, freeCount: number, openBytes = 0) {
  let visited = 0;
  const nodes = Array.from({ length: dirty }, () => ({ ...NODE }) as unknown as Node);
  const state = {
    trees: {
      all: [],
      batchNodesMax: 3,
      changedBytes: 0,
      dirty: {
        get additions() {
          return nodes.length;
        },
      },
    },
    *unwritten() {
      visited++;
      yield* nodes;
    },
    io: { members: [{ layout: { roundUp: () => BLOCK_BYTES } }] },
    buckets: { freeCount, bucketUsableBytes: BUCKET_BYTES, scarce: freeCount <= 4, sparsest: () => undefined },
    writePoint: { openBytes },
  };
  const room = new CheckpointRoom(state as unknown as CheckpointRoomServices);
  return { room, nodes, ...state, visits: () => visited };
}

/** A node with one record of so many KiB in this bucket. */
function writtenNode(kibibytes: number, bucket: number): Node {
  const records = [{ device: 0, addressBytes: bucket * BUCKET_BYTES, lengthBytes: kibibytes * 1024 }];
  return { ...NODE, pointer: { records } } as unknown as Node;
}

/** So many free buckets, and nodes that take so many KiB each when they are written. */
function roomWithNodes(freeCount: number, kibibytes: ReadonlyArray<number>): CheckpointRoom {
  const state = {
    trees: { batchNodesMax: 64, changedBytes: 0, dirty: { additions: kibibytes.length } },
    unwritten: () => kibibytes.map((size, index) => writtenNode(size, index)),
    io: { members: [{ layout: { roundUp: () => BLOCK_BYTES } }] },
    buckets: { freeCount, bucketUsableBytes: BUCKET_BYTES },
    writePoint: { openBytes: 0 },
  };
  return new CheckpointRoom(state as unknown as CheckpointRoomServices);
}

/** A room with so many free buckets, and others in which are nodes that take so many KiB. */
function roomWithSparse(freeCount: number, kibibytes: ReadonlyArray<number>) {
  const nodes = kibibytes.map((size, bucket) => writtenNode(size, bucket));
  const layout = { roundUp: () => BLOCK_BYTES, bucketOf: (address: number) => address / BUCKET_BYTES };
  const state = {
    trees: { all: [{ nodes: () => nodes }], batchNodesMax: 3 },
    io: { members: [{ layout }], member: () => ({ layout }) },
    buckets: {
      freeCount,
      bucketUsableBytes: BUCKET_BYTES,
      scarce: true,
      key: ({ bucket }: { readonly bucket: number }) => bucket,
      sparsest: (most: number, tried: ReadonlySet<number>) => {
        const bucket = kibibytes.findIndex((size, index) => size * 1024 <= most && !tried.has(index));
        return bucket < 0 ? undefined : { device: 0, bucket };
      },
    },
    writePoint: { openBytes: 0 },
  };
  const room = new CheckpointRoom(state as unknown as CheckpointRoomServices);
  /** Which of them are emptied, and what that gains. */
  return (waiting: number): readonly [ReadonlyArray<number>, number] => {
    const others = Array.from({ length: waiting }, () => ({ ...NODE }) as unknown as Node);
    const { emptied, gain } = room.sparse(room.weightOf(others));
    return [emptied.map((set) => nodes.indexOf([...set][0]!)), gain];
  };
}

describe("room for a checkpoint", () => {
  it("is used when all nodes fit, and will not once another bucket is taken", () => {
    // 1,600 nodes take 25 blocks, and a fifth more than that to be sure.
    expect(roomWith(1600, 2).room.due).toBe(false);
    expect(roomWith(1600, 1, BUCKET_BYTES).room.due).toBe(false);
    expect(roomWith(1600, 1).room.due).toBe(true);
    expect(roomWith(1600, 1, 29 * BLOCK_BYTES).room.due).toBe(true);
    expect(roomWith(1600, 0, 31 * BLOCK_BYTES).room.due).toBe(true);
    // Too late: a checkpoint would find no room, and whatever else is written may free some.
    expect(roomWith(1600, 0, 29 * BLOCK_BYTES).room.due).toBe(false);
    expect(roomWith(3000, 1).room.due).toBe(false);
  });

  it("is counted anew only where what changed since might take it all", () => {
    const { room, nodes, trees, buckets, visits } = roomWith(1600, 3);
    expect([room.leaves(1), visits()]).toEqual([true, 1]);
    expect([room.leaves(2), room.leaves(3), room.due, visits()]).toEqual([true, false, false, 1]);
    trees.changedBytes += BUCKET_BYTES / 2;
    expect([room.leaves(1), visits()]).toEqual([true, 1]);
    // A node may take half a bucket.
    nodes.push(...nodes.slice(0, 2));
    expect([room.leaves(1), visits()]).toEqual([true, 2]);
    buckets.freeCount--;
    expect([room.leaves(2), room.leaves(1), visits()]).toEqual([false, true, 2]);
    buckets.freeCount = 10_000;
    nodes.push(...nodes, ...nodes);
    expect([room.leaves(100), room.due, visits()]).toEqual([true, false, 2]);
  });

  it("is not taken by what is being written until it is on disk, and counted anew then", () => {
    const { room, buckets, visits } = roomWith(1600, 3);
    room.inFlight(BUCKET_BYTES);
    expect([room.leaves(1), room.leaves(0), visits()]).toEqual([false, true, 1]);
    buckets.freeCount--;
    room.inFlight(0);
    expect([room.leaves(2), room.leaves(1), visits()]).toEqual([false, true, 2]);
  });

  it("counts on it that a record which does not fit leaves the end of a bucket unused", () => {
    // Three of 28 KiB fit into a bucket, with what is to be sure; of two of 48 KiB nobody can be sure.
    expect(roomWithNodes(1, [28, 28, 28]).leaves(0)).toBe(true);
    expect(roomWithNodes(1, [48, 48]).leaves(0)).toBe(false);
    expect(roomWithNodes(2, [48, 48]).leaves(0)).toBe(true);
  });

  it("is asked for so that a chunk of nodes takes one bucket more", () => {
    const chunk = (...kibibytes: ReadonlyArray<number>): number => {
      const nodes = kibibytes.map((size, index) => writtenNode(size, index));
      return roomWithNodes(1, []).chunkOf(nodes).length;
    };
    expect(chunk()).toBe(0);
    expect(chunk(60, 60, 60)).toBe(2);
    expect(chunk(130, 60)).toBe(1);
    expect(chunk(1, 1, 1, 1, 1)).toBe(5);
  });

  it("has nodes written a few at a time only where buckets are not scarce", () => {
    expect(roomWith(0, 5).room.chunkNodesMax).toBe(3);
    expect(roomWith(0, 4).room.chunkNodesMax).toBe(64);
  });

  it("is used to empty buckets, as many as fit", () => {
    // Three fit into one bucket, with what is to be sure; the fourth does not.
    expect(roomWithSparse(1, [28, 29, 30, 31])(0)).toEqual([[0, 1, 2], 2]);
    expect(roomWithSparse(2, [28, 29, 30, 31])(0)).toEqual([[0, 1, 2, 3], 2]);
    expect(roomWithSparse(2, [28, 29, 30, 31, 32, 33])(0)).toEqual([[0, 1, 2, 3, 4, 5], 4]);
    expect(roomWithSparse(0, [1, 2])(0)).toEqual([[], 0]);
  });

  it("gains nothing by one bucket that takes another, unless that is taken anyway", () => {
    expect(roomWithSparse(2, [30])(0)).toEqual([[0], 0]);
    expect(roomWithSparse(2, [30])(100)).toEqual([[0], 1]);
  });
});
