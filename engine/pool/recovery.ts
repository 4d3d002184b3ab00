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
import type { BucketIo } from "../device/bucket-io.ts";
import { checksumOf, RecordHeader } from "../format/codec.ts";
import { decodeEntry, type JournalEntry } from "../format/journal-entry.ts";
import { decodePointer } from "../format/pointer.ts";
import type { JournalBucket } from "../journal/ring.ts";
import { chainOf, type FoundEntry } from "../journal/scan.ts";
import { reached } from "../marks.ts";
import { PoolDamaged } from "./errors.ts";

/** Bytes fetched at once while a journal bucket is walked. */
const SCAN_BYTES = 16 * 1024;

export interface RecoveredJournal {
  /** Entries to replay, in order; the last one is the end of the journal. Empty on a pool that has none yet. */
  readonly entries: ReadonlyArray<FoundEntry>;
  readonly last: JournalEntry | undefined;
  readonly epoch: number;
}

/** All entries that verify in one journal bucket, from its front to the first that does not. */
function scanBucket(
  io: BucketIo,
  { device, bucket }: JournalBucket,
  slot: number,
  uuid: Uint8Array,
  found: Array<FoundEntry>,
): Effect.Effect<void, DeviceError> {
  const { layout } = io.member(device);
  const start = layout.start(bucket);
  return Effect.gen(function* () {
    let at = 0;
    let window: Uint8Array = new Uint8Array(0);
    let windowAt = 0;
    let previous: JournalEntry | undefined;
    while (at < layout.usableBytes) {
      if (at >= windowAt + window.length) {
        windowAt = at;
        window = yield* io.read(device, start + at, Math.min(SCAN_BYTES, layout.usableBytes - at));
      }
      let entry = decodeEntry(window, at - windowAt, uuid);
      if (entry === undefined && at > windowAt) {
        // It may only have been cut off by the end of the window.
        window = new Uint8Array(0);
        windowAt = at;
        window = yield* io.read(device, start + at, Math.min(SCAN_BYTES, layout.usableBytes - at));
        entry = decodeEntry(window, 0, uuid);
      }
      if (entry === undefined && layout.usableBytes - at > window.length && claimsMore(window, uuid)) {
        window = yield* io.read(device, start + at, layout.usableBytes - at);
        windowAt = at;
        entry = decodeEntry(window, 0, uuid);
      }
      if (entry === undefined) return;
      if (previous !== undefined && (entry.sequence !== previous.sequence + 1 || entry.epoch !== previous.epoch))
        return;
      found.push({ slot, entry });
      previous = entry;
      at += layout.roundUp(entry.lengthBytes);
    }
  });
}

/** Does an entry that is longer than the window seem to begin here? Only decides whether to read more. */
function claimsMore(window: Uint8Array, uuid: Uint8Array): boolean {
  const uuidAt = RecordHeader.at.uuid;
  if (window.length < uuidAt + uuid.length) return false;
  for (let index = 0; index < uuid.length; index++) if (window[uuidAt + index] !== uuid[index]) return false;
  return true;
}

function refsVerify(io: BucketIo, entry: JournalEntry): Effect.Effect<boolean> {
  return Effect.gen(function* () {
    for (const { device, addressBytes, lengthBytes, checksum } of entry.refs) {
      const read = yield* Effect.result(io.read(device, addressBytes, lengthBytes));
      if (read._tag === "Failure") return false;
      if (checksumOf(read.success, 0, read.success.length) !== checksum) return false;
    }
    return true;
  });
}

/** Finds the live journal: the chain of entries that verify, with what they rely on. */
export function readJournal(
  io: BucketIo,
  buckets: ReadonlyArray<JournalBucket>,
  uuid: Uint8Array,
): Effect.Effect<RecoveredJournal, DeviceError | PoolDamaged> {
  return Effect.gen(function* () {
    const found: Array<FoundEntry> = [];
    for (let slot = 0; slot < buckets.length; slot++) yield* scanBucket(io, buckets[slot]!, slot, uuid, found);
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
    if (!last.clean) reached("unclean pool recovered");
    return {
      entries: entries.filter(({ entry }) => entry.sequence >= last.oldestNeeded),
      last,
      epoch: chain.epoch,
    };
  });
}

/** Replays the journal into the trees. Every interior node is resident afterwards. */
export function replay(
  trees: Trees,
  loader: NodeLoader,
  entries: ReadonlyArray<FoundEntry>,
): Effect.Effect<void, PoolFailed> {
  return Effect.gen(function* () {
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
  });
}

function loadLevel(trees: Trees, loader: NodeLoader, level: number): Effect.Effect<void, PoolFailed> {
  return Effect.gen(function* () {
    for (const tree of trees.all) {
      if (tree.root.level < level) continue;
      for (const node of [...tree.nodes()]) if (node.level === level && !node.resident) yield* loader.fetch(node);
    }
  });
}

/** Applies the updates of one level, loading nodes as they are missed. */
function replayLevel(
  trees: Trees,
  loader: NodeLoader,
  entry: JournalEntry,
  level: number,
): Effect.Effect<void, PoolFailed> {
  return Effect.gen(function* () {
    let done = 0;
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
        } else if (tree.find(inode, offset, snapshot) === undefined) missing = tree.missing;
        else if (lengthBytes < 0) tree.remove(inode, offset, snapshot, entry.sequence);
        else tree.put(inode, offset, snapshot, words, word, lengthBytes, entry.sequence);
        if (missing === undefined) done++;
      });
      if (missing === undefined) return;
      yield* loader.fetch(missing);
    }
  });
}
