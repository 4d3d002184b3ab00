/**
 * The shape of a new pool: bucket size, journal, least size; pure.
 *
 * A conventional device is cut into some 256 buckets within the limits of bucket-io; a zoned one into its zones. The
 * journal takes about a fortieth of the buckets, and never fewer than a ring can work with.
 */
import type { Device } from "../../devices/device.ts";
import { RESERVE_BUCKETS } from "../allocator/buckets.ts";
import { BUCKET_BYTES_MIN, BucketLayout, defaultBucketBytes } from "../device/bucket-io.ts";
import { SUPERBLOCK_BUCKETS } from "../device/superblock-log.ts";
import { program } from "../format/codec.ts";
import { EPOCH_MAX, SEQUENCE_MAX } from "../format/journal-entry.ts";
import { Compression, MemberState, type Superblock } from "../format/superblock.ts";
import { DIRECTORY_HASH_BITS_MAX } from "../format/tables.ts";
import { TooSmall, WrongMembers } from "./errors.ts";

export interface FormatOptions {
  /** 16 bytes that name the pool. */
  readonly uuid: Uint8Array;
  readonly label?: string;
  /** Bytes of a bucket of a conventional device; a power of two. */
  readonly bucketBytes?: number;
  readonly journalBuckets?: number;
  readonly compression?: "none" | "zstd";
  /** Fewer bits than usual make names collide: for tests. */
  readonly directoryHashBits?: number;
}

export const JOURNAL_BUCKETS_MIN = 6;
const JOURNAL_BUCKETS_MAX = 16;
const JOURNAL_SHARE = 40;
/** Buckets for data and nodes that the smallest pool has. */
const WORKING_BUCKETS_MIN = 8;
/** Zones that are partly written at the same time: two superblocks, journal, btree, data, collector. */
export const ACTIVE_ZONES_MIN = 6;
const ENTRY_BYTES_MAX = 256 * 1024;
/** Of any pool: where the search for a superblock ends. */
const POOL_BUCKET_BYTES_MAX = 2 ** 30;
const BLOCKS_A_BUCKET_MIN = 16;

/** An entry of this size holds any one transaction, the longest attribute value included. */
const ENTRY_BYTES_WANTED = 96 * 1024;

/** Longest journal entry of a pool with such buckets. */
export const entryBytesMax = (bucketUsableBytes: number): number => {
  const half = Math.floor(bucketUsableBytes / 2);
  const bytes = Math.max(half, Math.min(ENTRY_BYTES_WANTED, Math.floor((bucketUsableBytes * 3) / 4)));
  return Math.min(ENTRY_BYTES_MAX, bytes - (bytes % 4096));
};

export const leastBuckets = (journalBuckets: number): number =>
  SUPERBLOCK_BUCKETS + journalBuckets + RESERVE_BUCKETS + WORKING_BUCKETS_MIN;

/** Smallest conventional device that can hold a pool. */
export const POOL_BYTES_MIN = leastBuckets(JOURNAL_BUCKETS_MIN) * BUCKET_BYTES_MIN;

/** The superblock of a new pool on the devices, or why there cannot be one; `lost`: buckets that cannot be written. */
export function shapeOf(
  devices: ReadonlyArray<Device>,
  options: FormatOptions,
  createdAtSeconds: number,
  lost: ReadonlyArray<ReadonlySet<number>> = [],
): Superblock | TooSmall | WrongMembers {
  const first = devices[0];
  if (first === undefined) return new WrongMembers("a pool needs a device");
  if (devices.length > 1) return new WrongMembers("this version makes pools of one device only");
  const { geometry } = first;
  const zoned = geometry.zones;
  const bucketBytes = zoned?.zoneBytes ?? options.bucketBytes ?? defaultBucketBytes(geometry.capacityBytes);
  const usable = zoned?.zoneCapacityBytes ?? bucketBytes;
  if (usable < BUCKET_BYTES_MIN) {
    return new WrongMembers(`buckets of ${usable} bytes are too small: the least is ${BUCKET_BYTES_MIN}`);
  }
  if (zoned !== undefined && zoned.activeZonesMax > 0 && zoned.activeZonesMax < ACTIVE_ZONES_MIN) {
    return new WrongMembers(
      `${first.name} allows ${zoned.activeZonesMax} active zones: ${ACTIVE_ZONES_MIN} are needed`,
    );
  }
  const hashBits = options.directoryHashBits ?? DIRECTORY_HASH_BITS_MAX;
  if (!(hashBits >= 1 && hashBits <= DIRECTORY_HASH_BITS_MAX)) {
    return new WrongMembers(`names are hashed to 1 to ${DIRECTORY_HASH_BITS_MAX} bits, not ${hashBits}`);
  }
  const layout = new BucketLayout(first, bucketBytes);
  const share = Math.floor(layout.count / JOURNAL_SHARE);
  const journal = options.journalBuckets ?? Math.min(JOURNAL_BUCKETS_MAX, Math.max(JOURNAL_BUCKETS_MIN, share));
  if (journal < JOURNAL_BUCKETS_MIN) {
    return new WrongMembers(`a journal of ${journal} buckets is too small: the least is ${JOURNAL_BUCKETS_MIN}`);
  }
  const good = Array.from({ length: layout.count }, (_, bucket) => bucket).filter(
    (bucket) => lost[0]?.has(bucket) !== true,
  );
  if (good.length < leastBuckets(journal)) return new TooSmall(first.name, leastBuckets(journal) * bucketBytes);
  const journalBuckets = good.filter((bucket) => bucket >= SUPERBLOCK_BUCKETS).slice(0, journal);
  return {
    uuid: options.uuid,
    version: program.version,
    label: options.label ?? "",
    sequence: 1,
    bucketBytes,
    blockBytes: geometry.blockBytes,
    members: [
      {
        uuid: options.uuid,
        capacityBytes: geometry.capacityBytes,
        buckets: layout.count,
        state: MemberState.readWrite,
        label: "",
      },
    ],
    deviceIndex: 0,
    journalBuckets: journalBuckets.map((bucket) => ({ device: 0, bucket })),
    journalEnd: { sequence: 0, epoch: 0 },
    directoryHashBits: hashBits,
    hashSeed: seedOf(options.uuid),
    compression: options.compression === "none" ? Compression.none : Compression.zstd,
    createdAtSeconds,
  };
}

const isPowerOfTwo = (n: number): boolean => n > 0 && Number.isInteger(Math.log2(n));

/** Superblocks are counted up to here; see `SEQUENCE_MAX` of journal entries. */
const SUPERBLOCKS_MAX = 2 ** 52;

/** What a superblock says that cannot be, of a device that it is on; its checksum may be right all the same. */
export function shapeFault(superblock: Superblock, device: Device): string | undefined {
  const { bucketBytes, blockBytes, members, deviceIndex, journalBuckets, sequence, journalEnd } = superblock;
  const { zones } = device.geometry;
  for (const [counter, most] of [
    [sequence, SUPERBLOCKS_MAX],
    [journalEnd.sequence, SEQUENCE_MAX],
    [journalEnd.epoch, EPOCH_MAX],
  ] as const) {
    if (counter > most) return `a number of ${counter}, behind which there is no room`;
  }
  const sized = isPowerOfTwo(bucketBytes) && bucketBytes >= BUCKET_BYTES_MIN && bucketBytes <= POOL_BUCKET_BYTES_MAX;
  if (zones === undefined && !sized) return `buckets of ${bucketBytes} bytes`;
  const layout = new BucketLayout(device, bucketBytes);
  if (!isPowerOfTwo(blockBytes) || blockBytes > layout.usableBytes / BLOCKS_A_BUCKET_MIN) {
    return `blocks of ${blockBytes} bytes`;
  }
  const { buckets } = members[deviceIndex]!;
  if (buckets > layout.count) return `${buckets} buckets, where there is room for ${layout.count}`;
  if (journalBuckets.length === 0) return "no journal";
  const seen = new Set<string>();
  for (const { device: member, bucket } of journalBuckets) {
    const key = `${member}:${bucket}`;
    const outside = bucket < SUPERBLOCK_BUCKETS || bucket >= members[member]!.buckets;
    if (outside || seen.has(key)) return `a journal in bucket ${bucket} of device ${member}`;
    seen.add(key);
  }
  return undefined;
}

function seedOf(uuid: Uint8Array): [number, number] {
  const view = new DataView(uuid.buffer, uuid.byteOffset, uuid.byteLength);
  return [
    (view.getUint32(0, true) ^ view.getUint32(8, true)) >>> 0,
    (view.getUint32(4, true) ^ view.getUint32(12, true)) >>> 0,
  ];
}
