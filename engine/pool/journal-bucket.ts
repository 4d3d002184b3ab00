/**
 * Gives the journal another bucket when a recovery finds each one that it has full of what is needed.
 *
 * The ring keeps a bucket free for the recovery. A journal whose writes fail takes that one too rather than fail the pool:
 * a zone that cuts a write short takes no more, and the rest of it is lost. If the machine stops then, before nodes are
 * written that the oldest entries are needed for, the next opening has no place for its first entry.
 */
import * as Effect from "effect/Effect";
import type { DeviceError } from "../../devices/device.ts";
import type { PoolFailed } from "../actor.ts";
import type { Buckets } from "../allocator/buckets.ts";
import type { BucketIo } from "../device/bucket-io.ts";
import { type FoundSuperblock, SuperblockLog } from "../device/superblock-log.ts";
import type { JournalBucket } from "../journal/ring.ts";
import { reached } from "../marks.ts";
import type { RecoveredJournal } from "./recovery.ts";
import { ringOf, type RuntimeOptions, startRuntime, stopRuntime } from "./runtime.ts";

/** The superblock as it stands then, and where. Without a bucket that can be given, it stays as it is. */
export const withJournalBucket = Effect.fnUntraced(function* (
  io: BucketIo,
  found: FoundSuperblock,
  recovered: RecoveredJournal,
  options: RuntimeOptions,
): Effect.fn.Return<FoundSuperblock, DeviceError | PoolFailed> {
  const { superblock } = found;
  if (ringOf(io, superblock, recovered).freeBuckets > 0) return found;
  // Which buckets hold nothing is known once the journal is replayed.
  const given = yield* Effect.acquireUseRelease(
    startRuntime(io, superblock, recovered, { ...options, readOnly: true }),
    ({ buckets }) => emptyBucket(io, buckets),
    stopRuntime,
  );
  if (given === undefined) return found;
  reached("journal given another bucket");
  const log = new SuperblockLog(io, superblock.deviceIndex, found.bucket);
  const journalBuckets = [...superblock.journalBuckets, given];
  const grown = { ...superblock, sequence: superblock.sequence + 1, journalBuckets };
  yield* log.write(grown);
  yield* io.flush;
  return { ...found, superblock: grown, bucket: log.bucket };
});

/** A bucket without anything in it that a recovery could take for an entry, durably; undefined if none is free. */
const emptyBucket = Effect.fnUntraced(function* (
  io: BucketIo,
  buckets: Buckets,
): Effect.fn.Return<JournalBucket | undefined, DeviceError> {
  for (let at = buckets.take("btree", true); at !== undefined; at = buckets.take("btree", true)) {
    const { device, bucket } = at;
    const { layout } = io.member(device);
    const cleared = io.isConventional(device, bucket)
      ? io.write(device, layout.start(bucket), new Uint8Array(layout.usableBytes))
      : io.reset(device, bucket);
    const result = yield* Effect.result(cleared);
    if (result._tag === "Failure") {
      if (result.failure._tag !== "MediumError") return yield* Effect.fail(result.failure);
      continue;
    }
    yield* io.flush;
    return { device, bucket };
  }
  return undefined;
});
