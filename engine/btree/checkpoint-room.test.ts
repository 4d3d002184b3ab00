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
      all: [],
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
    buckets: { freeCount, bucketUsableBytes: BUCKET_BYTES, scarce: freeCount <= 4, sparsest: () => undefined },
    writePoint: { openBytes },
  };
  const room = new CheckpointRoom(state as unknown as CheckpointRoomServices);
  return { room, nodes, ...state, visits: () => visited };
}

/** A room with so many free buckets, and others in which are nodes that take so many KiB. */
function roomWithSparse(freeCount: number, kibibytes: ReadonlyArray<number>) {
  const nodes = kibibytes.map((size, bucket) => {
    const records = [{ device: 0, addressBytes: bucket * BUCKET_BYTES, lengthBytes: size * 1024 }];
    return { ...NODE, pointer: { records }, absorbed: [] } as unknown as Node;
  });
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

  it("is counted anew when a bucket was taken or there are many more nodes, and not at all while there is plenty", () => {
    const { room, nodes, buckets, visits } = roomWith(1600, 3);
    expect(room.due).toBe(false);
    expect(room.due).toBe(false);
    nodes.push(...nodes.slice(0, 150));
    expect(room.due).toBe(false);
    expect(visits()).toBe(1);
    nodes.push(...nodes.slice(0, 150));
    expect(room.due).toBe(false);
    expect(visits()).toBe(2);
    buckets.freeCount--;
    expect(room.due).toBe(false);
    expect(visits()).toBe(3);
    buckets.freeCount = 10_000;
    buckets.scarce = false;
    expect(room.due).toBe(false);
    expect(visits()).toBe(3);
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
