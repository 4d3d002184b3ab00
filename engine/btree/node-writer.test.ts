import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import { describe, expect, it } from "vitest";
import { World } from "../../harness/world.ts";
import { Supervisor } from "../actor.ts";
import { NodeWriter, type NodeWriterServices } from "./node-writer.ts";
import { Trees } from "./trees.ts";

const BUCKET_BYTES = 1024 * 1024;
const ROWS = 120;

/** A tree that grows while its nodes are written, one at a time, into buckets without end. */
const growWhileWriting = Effect.gen(function* () {
  const supervisor = yield* Supervisor.make(false);
  const trees = new Trees([], Number.POSITIVE_INFINITY, { fanMax: 4, leafRowsMax: 4, batchNodesMax: 1 });
  const updates = { put: () => undefined, remove: () => undefined };
  const gathering = { sequence: 1, refs: [], updates, rootsMoved: false };
  const layout = { bucketOf: (address: number) => Math.floor(address / BUCKET_BYTES), roundUp: () => 4096 };
  let fillBytes = 0;
  const services = {
    supervisor,
    trees,
    journal: { gathering, room: () => "granted" },
    io: { members: [{ layout }], member: () => ({ layout }) },
    buckets: {
      freeCount: 1000,
      bucketUsableBytes: BUCKET_BYTES,
      scarce: false,
      addLive: () => undefined,
      unhold: () => undefined,
    },
    writePoint: {
      openBytes: 0,
      append: (pieces: ReadonlyArray<Uint8Array>) => {
        const placements = pieces.map(({ length }) => {
          fillBytes += length;
          return { device: 0, addressBytes: fillBytes - length, generation: 1 };
        });
        return Effect.succeed(placements);
      },
    },
    uuid: new Uint8Array(16),
    load: () => Effect.void,
    checkpointChunks: Number.POSITIVE_INFINITY,
  };
  const writer = new NodeWriter(services as unknown as NodeWriterServices);
  const grow = Effect.gen(function* () {
    for (let row = 0; row < ROWS; row++) {
      trees.tree(3).put(row, 0, 1, new Int32Array([row]), 0, 4, gathering.sequence);
      if (row % 8 === 7) gathering.sequence++;
      yield* Effect.yieldNow;
    }
  });
  const write = Effect.gen(function* () {
    while (trees.tree(3).root.level < 3 || trees.dirty.count > 0) {
      yield* writer.flushAll;
      yield* Effect.yieldNow;
    }
  });
  yield* Effect.all([grow, write], { concurrency: 2 });
  return trees;
});

describe("the node writer", () => {
  it("takes no node for one that cannot be written since it got a neighbour at the last moment", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const grown = new World({ seed, preemptShare: 0.5 }).run(growWhileWriting);
      const trees = Exit.isSuccess(grown) ? grown.value : undefined;
      expect([seed, grown._tag, trees?.dirty.count]).toEqual([seed, "Success", 0]);
      trees!.dispose();
    }
  });
});
