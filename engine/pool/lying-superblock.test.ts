/**
 * A superblock with a right checksum that says what cannot be is refused before anything relies on it.
 */
import * as Effect from "effect/Effect";
import { expect, test } from "vitest";
import { SimDisk } from "../../devices/sim/disk.ts";
import { findSuperblock } from "../device/superblock-log.ts";
import { encodeSuperblock, type Superblock } from "../format/superblock.ts";
import { PoolDamaged } from "./errors.ts";
import { formatPool, openPool } from "./pool.ts";

const MIB = 1024 * 1024;
const geometry = { capacityBytes: 4 * MIB, blockBytes: 4096, atomicWriteBytes: 4096, rotational: false };
const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(effect as Effect.Effect<A>);

test.for([
  ["its own number", (superblock: Superblock) => ({ ...superblock, sequence: 2 ** 53 - 1 })],
  [
    "the number of a journal entry",
    (superblock: Superblock) => ({ ...superblock, journalEnd: { ...superblock.journalEnd, sequence: 2 ** 53 - 1 } }),
  ],
  [
    "the epoch of the journal",
    (superblock: Superblock) => ({ ...superblock, journalEnd: { ...superblock.journalEnd, epoch: 2 ** 32 - 1 } }),
  ],
] as const)("one behind which nothing can be written: %s", async ([, lying]) => {
  const disk = SimDisk.make({ name: "disk", geometry: { ...geometry, zones: undefined }, seed: 1 });
  await run(formatPool([disk], { uuid: new Uint8Array(16).fill(3) }));
  const found = await run(findSuperblock(disk));
  if (typeof found === "string") throw new Error(found);
  const record = encodeSuperblock(lying(found.superblock));
  const block = new Uint8Array(4096);
  block.set(record);
  await run(Effect.andThen(disk.write(found.bucket * found.superblock.bucketBytes, block), disk.flush));
  const opened = await run(Effect.flip(Effect.scoped(openPool([disk]))));
  expect(opened).toBeInstanceOf(PoolDamaged);
  expect(opened).toMatchObject({ message: expect.stringContaining("behind which there is no room") });
});
