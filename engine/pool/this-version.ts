/**
 * A pool of an earlier version becomes one of this version when it is opened for writing.
 *
 * The devices say so before anything else is written: an earlier program takes what this one writes for the end of the
 * journal, or for damage. Both buckets of the superblock log are written, so that it finds no record that it can read
 * and refuses the pool. Whatever the crash, one of them holds a whole record.
 */
import * as Effect from "effect/Effect";
import type { DeviceError } from "../../devices/device.ts";
import type { BucketIo } from "../device/bucket-io.ts";
import { type FoundSuperblock, SUPERBLOCK_BUCKETS, SuperblockLog } from "../device/superblock-log.ts";
import { program } from "../format/codec.ts";
import type { Superblock } from "../format/superblock.ts";
import { reached } from "../marks.ts";

/** The superblock as it stands then, and where. */
export const ofThisVersion = Effect.fnUntraced(function* (
  io: BucketIo,
  found: FoundSuperblock,
): Effect.fn.Return<FoundSuperblock, DeviceError> {
  const { version } = program;
  if (found.versionMin === version) return found;
  reached("pool raised to this version");
  if (found.superblock.version === version) reached("pool raised that a crash had left between two versions");
  const log = new SuperblockLog(io, found.superblock.deviceIndex, found.bucket);
  const raised = (sequence: number): Superblock => ({ ...found.superblock, version, sequence });
  const last = found.superblock.sequence + SUPERBLOCK_BUCKETS;
  for (let sequence = found.superblock.sequence + 1; sequence <= last; sequence++) {
    yield* log.writeInOther(raised(sequence));
    yield* io.flush;
  }
  return { superblock: raised(last), bucket: log.bucket, versionMin: version };
});
