/**
 * Recovery: from the bytes on the devices to trees in memory. It writes nothing, so it can be run any number of times.
 *
 * The journal buckets are scanned; of the entries behind the last known flush, those count whose references verify, up
 * to the first that does not. The last entry's roots are the trees; the updates from the oldest entry that it needs are
 * replayed in order: first the rows of interior nodes, from the top level down, so that every pointer that is followed
 * afterwards is a current one; then the rows of leaves. What the trees then say is the state of the pool.
 */
import * as Effect from "effect/Effect";
import type { DeviceError } from "../../devices/device.ts";
import type { PoolFailed } from "../actor.ts";
import type { NodeLoader } from "../btree/node-loader.ts";
import type { Node } from "../btree/node.ts";
import type { Trees } from "../btree/trees.ts";
import { type BucketIo, VERIFY_TRIES_MAX } from "../device/bucket-io.ts";
import { checksumOf } from "../format/codec.ts";
import { type EntryRef, type JournalEntry, type UpdateVisitor, visitUpdates } from "../format/journal-entry.ts";
import { Malformed } from "../format/malformed.ts";
import { decodePointer } from "../format/pointer.ts";
import type { Superblock } from "../format/superblock.ts";
import { chainOf, type FoundEntry } from "../journal/scan.ts";
import { reached } from "../marks.ts";
import { PoolDamaged } from "./errors.ts";
import { findEntries } from "./journal-search.ts";

export interface RecoveredJournal {
  /** Entries to replay, in order; the last one is the end of the journal. Empty on a pool that has none yet. */
  readonly entries: ReadonlyArray<FoundEntry>;
  /**
   * Entries by which another recovery would find the same end: from the last one that some entry knows to be flushed.
   * Nothing of them, nor of what those behind the first refer to, may go before a durable entry knows the end.
   */
  readonly vouching: ReadonlyArray<FoundEntry>;
  readonly last: JournalEntry | undefined;
  /**
   * An entry behind the end was not taken, since something that it refers to is not there, or a part of itself: a later
   * write of the same bytes might make up for that.
   */
  readonly rejected: boolean;
  /** Of the first of those that vouch. */
  readonly flushedSequence: number;
  readonly epoch: number;
  /** Commits behind the end that an earlier process had not written yet, in order. */
  readonly survivors?: ReadonlyArray<Int32Array>;
}

/** Of a pool that is being made. */
export const NO_JOURNAL: RecoveredJournal = {
  entries: [],
  vouching: [],
  last: undefined,
  rejected: false,
  flushedSequence: 0,
  epoch: 0,
};

/**
 * Is it there? It is read again before the answer is no: an entry that somebody was told of may depend on it. A device
 * that is gone gives no answer.
 */
function refVerifies(io: BucketIo, ref: EntryRef, tries: number): Effect.Effect<boolean, DeviceError> {
  const { device, addressBytes, lengthBytes, checksum } = ref;
  if (io.isOffline(device, addressBytes)) {
    // Lost is not the same as never written: with the entry, all else that it carries would be lost too.
    reached("journal entry kept though its data is offline");
    return Effect.succeed(true);
  }
  return Effect.flatMap(Effect.result(io.read(device, addressBytes, lengthBytes)), (read) => {
    if (read._tag === "Failure") {
      return read.failure._tag === "DeviceGone" ? Effect.fail(read.failure) : Effect.succeed(false);
    }
    if (checksumOf(read.success, 0, read.success.length) === checksum) return Effect.succeed(true);
    return tries < VERIFY_TRIES_MAX ? refVerifies(io, ref, tries + 1) : Effect.succeed(false);
  });
}

const refsVerify = Effect.fnUntraced(function* (
  io: BucketIo,
  entry: JournalEntry,
): Effect.fn.Return<boolean, DeviceError> {
  for (const ref of entry.refs) if (!(yield* refVerifies(io, ref, 1))) return false;
  return true;
});

/**
 * Was the newest entry that can be read in the bucket that was written last? A journal bucket is finished before the
 * next one is begun, so one that was found partly written is the last.
 */
function endIsKnown(
  io: BucketIo,
  buckets: ReadonlyArray<{ readonly device: number; readonly bucket: number }>,
  found: ReadonlyArray<FoundEntry>,
): boolean {
  const newest = found.reduce((a, b) =>
    b.entry.epoch > a.entry.epoch || (b.entry.epoch === a.entry.epoch && b.entry.sequence > a.entry.sequence) ? b : a,
  );
  const { device, bucket } = buckets[newest.slot]!;
  const known = io.zoneWatch.wasLeftOpen(device, bucket);
  if (known) reached("journal known to be whole without an offline bucket");
  return known;
}

/** Finds the live journal: the chain of entries that verify, with what they rely on. */
export const readJournal = Effect.fnUntraced(function* (
  io: BucketIo,
  { journalBuckets: buckets, uuid, journalEnd }: Pick<Superblock, "journalBuckets" | "uuid" | "journalEnd">,
): Effect.fn.Return<RecoveredJournal, DeviceError | PoolDamaged> {
  const { entries: found, torn } = yield* findEntries(io, buckets, uuid);
  const chain = chainOf(found);
  if (chain._tag === "Empty") return yield* Effect.fail(new PoolDamaged("the journal holds no entry"));
  if (chain._tag === "Damaged") return yield* Effect.fail(new PoolDamaged(chain.detail));
  const entries: Array<FoundEntry> = [];
  for (const candidate of chain.entries) {
    if (candidate.entry.sequence > chain.flushedSequence) {
      const holds = yield* refsVerify(io, candidate.entry);
      if (!holds) {
        reached("journal ended at an entry whose references do not verify");
        break;
      }
    }
    entries.push(candidate);
  }
  const last = entries.at(-1)?.entry;
  if (last === undefined) return yield* Effect.fail(new PoolDamaged("no journal entry is whole"));
  if (entries[0]!.entry.sequence > last.oldestNeeded) {
    const missing = `journal entry ${last.oldestNeeded} is needed and cannot be read`;
    return yield* Effect.fail(new PoolDamaged(missing));
  }
  if (last.sequence < journalEnd.sequence || chain.epoch < journalEnd.epoch) {
    const what = `journal entry ${journalEnd.sequence} of epoch ${journalEnd.epoch}, known to be durable, cannot be read`;
    return yield* Effect.fail(new PoolDamaged(what));
  }
  const offline = buckets.find(({ device, bucket }) => io.zoneWatch.loss(device, bucket) === "offline");
  if (offline !== undefined && !endIsKnown(io, buckets, found)) {
    const what = `journal bucket ${offline.bucket} of device ${offline.device} is offline`;
    return yield* Effect.fail(new PoolDamaged(`${what}, and may have held what was synced last`));
  }
  const endIsTorn = torn.some((sequence) => sequence > last.sequence);
  if (endIsTorn) reached("journal ended at a torn entry");
  if (!last.clean) reached("unclean pool recovered");
  return {
    entries: entries.filter(({ entry }) => entry.sequence >= last.oldestNeeded),
    vouching: entries.filter(({ entry }) => entry.sequence >= chain.flushedSequence),
    last,
    rejected: entries.length < chain.entries.length || endIsTorn,
    flushedSequence: chain.flushedSequence,
    epoch: chain.epoch,
  };
});

/** Replays the journal into the trees. Every interior node is resident afterwards. */
export const replay = Effect.fnUntraced(function* (
  trees: Trees,
  loader: NodeLoader,
  entries: ReadonlyArray<FoundEntry>,
  survivors: ReadonlyArray<Int32Array> = [],
): Effect.fn.Return<void, PoolFailed> {
  let top = 0;
  for (const tree of trees.all) top = Math.max(top, tree.root.level);
  for (const { entry } of entries) {
    entry.forEach((_table, level) => {
      top = Math.max(top, level);
    });
  }
  const end = entries.at(-1)?.entry.sequence ?? 0;
  for (let level = top; level >= 1; level--) {
    yield* loadLevel(trees, loader, level);
    for (const { entry } of entries) yield* replayLevel(trees, loader, entry, level);
    for (const tree of trees.all) tree.closeGaps(level, end);
    yield* loadLevel(trees, loader, level);
  }
  for (const { entry } of entries) yield* replayLevel(trees, loader, entry, 0);
  // They are in no entry yet, and will be in the next one at the earliest: that is what their nodes must pin.
  for (const words of survivors) {
    const forEach = (visit: UpdateVisitor): void => visitUpdates(words, visit);
    yield* replayLevel(trees, loader, { sequence: end + 1, forEach }, 0);
  }
});

const loadLevel = Effect.fnUntraced(function* (
  trees: Trees,
  loader: NodeLoader,
  level: number,
): Effect.fn.Return<void, PoolFailed> {
  for (const tree of trees.all) {
    if (tree.root.level < level) continue;
    for (const node of [...tree.nodes()]) if (node.level === level && !node.resident) yield* loader.fetch(node);
  }
});

/** Applies the updates of one level, loading nodes as they are missed. */
const replayLevel = Effect.fnUntraced(function* (
  trees: Trees,
  loader: NodeLoader,
  entry: Pick<JournalEntry, "sequence" | "forEach">,
  level: number,
) {
  let done = 0;
  let loaded: Node | undefined;
  for (;;) {
    let index = 0;
    let missing: Node | undefined;
    entry.forEach((table, at, inode, offset, snapshot, words, word, lengthBytes) => {
      if (at !== level) return;
      if (index++ < done || missing !== undefined) return;
      const tree = trees.tree(table);
      if (level > 0) {
        const pointer =
          lengthBytes < 0
            ? undefined
            : decodePointer(new DataView(words.buffer, words.byteOffset), word * 4, lengthBytes);
        if (!tree.replayChild(level - 1, inode, offset, snapshot, pointer, entry.sequence)) missing = tree.missing;
      } else {
        const leaf = tree.find(inode, offset, snapshot);
        if (leaf === undefined) missing = tree.missing;
        else tree.replayRow(leaf, inode, offset, snapshot, words, word, lengthBytes, entry.sequence);
      }
      if (missing === undefined) done++;
    });
    if (missing === undefined) return;
    if (missing === loaded) throw new Malformed(`journal entry ${entry.sequence} does not fit the trees`);
    yield* loader.fetch(missing);
    loaded = missing;
  }
});
