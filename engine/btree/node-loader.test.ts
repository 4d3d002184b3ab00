/**
 * Loading of nodes: what a slow read brings is what the node was, and may be no longer.
 */
import * as Deferred from "effect/Deferred";
import * as Effect from "effect/Effect";
import * as Fiber from "effect/Fiber";
import { describe, expect, it } from "vitest";
import type { Device } from "../../devices/device.ts";
import { makeMemoryDevice } from "../../devices/memory.ts";
import { BucketIo, BucketLayout } from "../device/bucket-io.ts";
import type { Superblock } from "../format/superblock.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import { NO_JOURNAL } from "../pool/recovery.ts";
import { type Runtime, RUNTIME_OPTIONS, startRuntime } from "../pool/runtime.ts";
import { shapeOf } from "../pool/shape.ts";

const CAPACITY_BYTES = 32 * 1024 * 1024;
const INODE = 5;

const put = ({ btree }: Runtime, value: number): Effect.Effect<void, unknown> =>
  btree.transact<void, never>((tx) => {
    tx.put(Table.dirents, INODE, 0, SNAPSHOT_ROOT, 8);
    tx.out.setFloat64(tx.outAt, value, true);
  });

const get = ({ btree }: Runtime): Effect.Effect<number, unknown> =>
  btree.transact<number, never>((tx) =>
    tx.find(Table.dirents, INODE, 0, SNAPSHOT_ROOT) ? tx.view.getFloat64(tx.at, true) : Number.NaN,
  );

describe("a node that is read slowly", () => {
  it("is read anew when it was changed, written elsewhere and evicted meanwhile", async () => {
    const memory = makeMemoryDevice({ name: "memory", capacityBytes: CAPACITY_BYTES });
    let held: Deferred.Deferred<void> | undefined;
    const device: Device = Object.assign(Object.create(memory) as Device, {
      read: (offset: number, length: number) => {
        const gate = held;
        const read = memory.read(offset, length);
        return gate === undefined ? read : Effect.tap(read, () => Deferred.await(gate));
      },
    });
    const superblock = shapeOf([device], { uuid: new Uint8Array(16).fill(3) }, 0) as Superblock;
    const io = new BucketIo([{ device, layout: new BucketLayout(device, superblock.bucketBytes) }]);
    const found = await Effect.runPromise(
      Effect.gen(function* () {
        const runtime = yield* startRuntime(io, superblock, NO_JOURNAL, RUNTIME_OPTIONS);
        const tree = runtime.trees.tree(Table.dirents);
        const written = Effect.gen(function* () {
          yield* runtime.writer.flushAll;
          tree.evict(tree.root);
        });
        yield* put(runtime, 1);
        yield* written;
        const gate = yield* Deferred.make<void>();
        held = gate;
        const slow = yield* Effect.forkChild(runtime.loader.fetch(tree.root), { startImmediately: true });
        held = undefined;
        yield* put(runtime, 2);
        yield* written;
        yield* Deferred.succeed(gate, undefined);
        yield* Fiber.join(slow);
        const value = yield* get(runtime);
        yield* runtime.supervisor.stop;
        return value;
      }),
    );
    expect(found).toBe(2);
  });
});
