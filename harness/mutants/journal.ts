/**
 * Planted bugs of the journal and of recovery: what is durable, what is needed, what is replayed.
 */
import { GENERAL, type Mutant } from "./mutant.ts";

export const journalMutants: ReadonlyArray<Mutant> = [
  {
    id: "gathering-entry-not-synced",
    breaks: "a sync does not wait for the commits that no entry was made of yet",
    file: "engine/journal/journal-actor.js",
    edits: [
      {
        find: "sync = Effect.suspend(() => {\n        const wanted = this.gathering.empty ? this.gathering.sequence - 1 : this.gathering.sequence;",
        replace: "sync = Effect.suspend(() => {\n        const wanted = this.gathering.sequence - 1;",
      },
    ],
    scenarios: GENERAL,
  },
  {
    id: "written-taken-for-durable",
    breaks: "a sync of entries that are written and not flushed is answered at once",
    file: "engine/journal/journal-actor.js",
    edits: [
      {
        find: "if (sequence <= this.durableSequence)\n            return pending.succeed(undefined);",
        replace: "if (sequence <= this.writtenSequence)\n            return pending.succeed(undefined);",
      },
    ],
    scenarios: ["many-syncs", "zoned/many-syncs"],
  },
  {
    id: "flush-claims-later-entries",
    breaks: "a flush is taken to cover what was written while it ran",
    file: "engine/journal/journal-actor.js",
    edits: [
      {
        find: "this.durableSequence = written;",
        replace: "this.durableSequence = this.writtenSequence = this.gathering.sequence - 1;",
      },
    ],
    scenarios: ["many-syncs", "zoned/many-syncs"],
  },
  {
    id: "pins-forgotten-in-entry",
    breaks: "an entry says that no earlier one is needed, though nodes are not written",
    file: "engine/journal/journal-actor.js",
    edits: [
      {
        find: "oldestNeeded: this.source.oldestNeeded(gathering.sequence),",
        replace: "oldestNeeded: gathering.sequence,",
      },
    ],
    scenarios: GENERAL,
  },
  {
    id: "journal-released-one-too-many",
    breaks: "a journal bucket comes free although its last entry is still needed",
    file: "engine/journal/ring.js",
    edits: [{ find: "slot.lastSequence < oldestNeeded)", replace: "slot.lastSequence <= oldestNeeded)" }],
    scenarios: ["pressed-journal", "zoned/pressed-journal"],
    equivalent:
      "at most one bucket comes free too early, the one before the oldest that is needed; the ring takes it last, behind the buckets that commits may not use, and by then nodes were written and it is free by right",
  },
  {
    id: "nodes-wait-for-journal-room",
    breaks: "nodes for whose places the journal has no room wait for it, and never write a checkpoint",
    file: "engine/btree/node-writer.js",
    edits: [{ find: 'room === "writing"', replace: 'room !== "granted"' }],
    scenarios: ["brimming-journal"],
  },
  {
    id: "checkpoint-not-flushed",
    breaks: "the roots change before what a checkpoint wrote is durable",
    file: "engine/btree/node-writer.js",
    edits: [{ find: "yield* io.flush;", replace: "" }],
    scenarios: ["ebbing-trees"],
  },
  {
    id: "checkpoint-pins-nothing",
    breaks: "the journal comes free of what a checkpoint has written before the roots change",
    file: "engine/btree/node-writer.js",
    edits: [{ find: "trees.checkpointPin = trees.oldestPin(journal.gathering.sequence);", replace: "" }],
    scenarios: ["ebbing-trees"],
  },
  {
    id: "checkpoint-frees-at-once",
    breaks: "what a checkpoint replaces comes free before the roots change",
    file: "engine/btree/node-writer.js",
    edits: [
      {
        find: "this.checkpoint.superseded.push(...records);",
        replace: "for (const record of records) this.account(record, -record.lengthBytes, sequence);",
      },
    ],
    scenarios: ["lasting-checkpoints"],
  },
  {
    id: "checkpoint-in-an-old-entry",
    breaks: "a checkpoint begins no entry: places that were journalled before are found again behind it",
    file: "engine/btree/node-writer.js",
    edits: [{ find: "while (!journal.beginEntry())", replace: "while (false)" }],
    scenarios: ["ebbing-trees"],
  },
  {
    id: "no-checkpoint-for-want-of-a-bucket",
    breaks: "nodes for which no bucket is left but the last are given up, and the pool with them",
    file: "engine/btree/node-writer.js",
    edits: [{ find: 'result.failure._tag !== "NoSpaceLeft"', replace: "true" }],
    scenarios: ["zoned/truly-full", "truly-full", "begun-buckets"],
  },
  {
    id: "sparse-buckets-left",
    breaks: "a checkpoint with few buckets free leaves those as they are in which next to nothing is live",
    file: "engine/btree/node-writer.js",
    edits: [{ find: "if (buckets.scarce)", replace: "if (false)" }],
    scenarios: ["heavy-lives"],
  },
  {
    id: "sparse-buckets-without-room",
    breaks: "a checkpoint with few buckets free empties all of them, whether there is room for that or not",
    file: "engine/btree/checkpoint-room.js",
    edits: [{ find: "nodes.size > 0 && this.fits(weight)", replace: "nodes.size > 0" }],
    scenarios: ["heavy-lives", "begun-buckets"],
  },
  {
    id: "additions-take-the-last-buckets",
    breaks: "metadata is added though the nodes that are not written would take the last buckets",
    file: "engine/allocator/space.js",
    edits: [{ find: " && this.nodesFit;", replace: ";" }],
    scenarios: ["zoned/truly-full", "truly-full", "heavy-lives"],
  },
  {
    id: "memory-before-buckets",
    breaks: "with few buckets free nodes are written a few at a time to keep within memory, until no bucket is left",
    file: "engine/btree/node-writer.js",
    edits: [{ find: "this.services.buckets.freeCount <= FREE_BUCKETS_KEPT_FROM_ADDITIONS", replace: "false" }],
    scenarios: ["heavy-lives"],
  },
  {
    id: "sparse-buckets-left-full",
    breaks: "a full pool whose nodes lie all over it refuses what there is room for",
    file: "engine/allocator/space.js",
    edits: [{ find: "helped ? Effect.succeed(true) : this.sparseEmptied", replace: "Effect.succeed(helped)" }],
    scenarios: ["zoned/truly-full", "truly-full", "heavy-lives"],
  },
  {
    id: "nodes-count-for-more",
    breaks: "metadata is refused since nodes that are not written are thought to take the room that is left",
    file: "engine/allocator/space.js",
    edits: [{ find: "const worth = enough && dirtyNodeBytes() >= GAIN_BYTES_MIN;", replace: "const worth = false;" }],
    scenarios: ["zoned/truly-full", "truly-full", "heavy-lives"],
  },
  {
    id: "nodes-not-weighed",
    breaks: "what nodes take that are not written is guessed, and they are written whether they fit or not",
    file: "engine/btree/checkpoint-room.js",
    edits: [
      {
        find: "return this.fits(this.counted, bucketCount);",
        replace: "return bucketCount > 1 || this.fits(this.counted, bucketCount);",
      },
      { find: "return this.counted.growthBytes;", replace: "return 0;" },
      { find: "count > 0 && bytes > bucketUsableBytes", replace: "false" },
    ],
    scenarios: ["zoned/truly-full", "truly-full"],
  },
  {
    id: "deleted-metadata-forgotten",
    breaks: "metadata is refused though what was deleted of the nodes that are not written leaves room for it",
    file: "engine/allocator/space.js",
    edits: [{ find: "this.unpromisedBytes + supersededNodeBytes()", replace: "this.unpromisedBytes" }],
    scenarios: ["zoned/truly-full", "truly-full"],
  },
  {
    id: "refused-ever-after",
    breaks: "a pool that refused metadata once refuses it ever after, however much is deleted",
    file: "engine/allocator/space.js",
    edits: [{ find: "this.commitsOfOthers === this.othersWhenRefused", replace: "this.othersWhenRefused >= 0" }],
    scenarios: ["zoned/truly-full", "truly-full", "fill-to-full-and-delete"],
  },
  {
    id: "replay-skips-gathering-entry",
    breaks: "a recovery takes a node to know all of the entry that was gathered when it was written",
    file: "engine/btree/tree.js",
    edits: [{ find: "sequence >= node.recordedBefore", replace: "sequence > node.recordedBefore" }],
    scenarios: ["many-small-files", "ebbing-trees", "thin-nodes"],
  },
  {
    id: "replay-skips-in-changed-nodes",
    breaks: "a recovery takes a row for one that was in the node when it was written, though it has just been replayed",
    file: "engine/btree/tree.js",
    edits: [{ find: "node.dirty || (!isSame && ", replace: "(!isSame && " }],
    scenarios: ["many-small-files", "ebbing-trees", "thin-nodes"],
  },
  {
    id: "full-journal-stays",
    breaks: "a recovery that finds every bucket of the journal needed gives it no other one",
    file: "engine/pool/journal-bucket.js",
    edits: [{ find: "ringOf(io, superblock, recovered).freeBuckets > 0", replace: "true" }],
    scenarios: ["zoned/cut-journal"],
  },
  {
    id: "zeros-end-a-damaged-entry",
    breaks: "zeros within a journal entry that cannot be read are taken for the end of the journal",
    file: "engine/pool/journal-search.js",
    edits: [
      {
        find: "zerosFrom[slot] ??= at;\n                if (searchEnd === undefined)",
        replace: "zerosFrom[slot] ??= at;\n                if (searchEnd === undefined || !behindZeros)",
      },
    ],
    scenarios: ["damaged-journal"],
  },
  {
    id: "merged-nodes-moved",
    breaks: "a checkpoint moves a node that was merged into another while it was read",
    file: "engine/btree/trees.js",
    edits: [{ find: "return node.resident && (node.parent", replace: "return node.resident && (true || node.parent" }],
    scenarios: ["zoned/crowded-checkpoints", "crowded-checkpoints"],
  },
  {
    id: "checkpoint-without-parents",
    breaks: "a checkpoint writes the nodes that have unwritten updates, and not those above them",
    file: "engine/btree/node-writer.js",
    edits: [{ find: "checkpoint.stale.add(parent);", replace: ";" }],
    scenarios: ["ebbing-trees"],
  },
  {
    id: "checkpoint-too-late",
    breaks: "a checkpoint is not begun before the last bucket is left, though all nodes together may not fit into that",
    file: "engine/btree/checkpoint-room.js",
    edits: [{ find: "return !this.leaves(1) && this.leaves(0);", replace: "return false;" }],
    scenarios: ["zoned/truly-full", "truly-full", "heavy-lives", "scattered-nodes"],
  },
  {
    id: "journal-room-not-kept",
    breaks: "the room that giving journal space back takes is used by others",
    file: "engine/journal/journal-actor.js",
    edits: [
      {
        find: "const kept = bucketRoomBytes + (reclaiming ? CHECKPOINT_ENTRIES * ENTRY_HEAD_BYTES : bucketRoomBytes);",
        replace: "const kept = 0;",
      },
    ],
    scenarios: ["pressed-journal", "zoned/pressed-journal"],
  },
  {
    id: "recovery-writes-into-old-bucket",
    breaks: "the first entry after a recovery goes over those that it replayed",
    file: "engine/journal/ring.js",
    edits: [
      {
        find: "this.current = index;\n        this.fillBytes = this.bucketBytes;",
        replace: "this.current = index;\n        this.fillBytes = 0;",
      },
    ],
    scenarios: ["crash-in-recovery", ...GENERAL],
  },
  {
    id: "epoch-kept-over-recovery",
    breaks: "a recovery does not begin an epoch of its own",
    file: "engine/pool/runtime.js",
    edits: [{ find: "epoch: recovered.epoch + 1,", replace: "epoch: recovered.epoch," }],
    scenarios: ["many-lives", "zoned/many-lives"],
    equivalent:
      "each entry names the one before it by checksum, and what recovery did not take is superseded by a durable entry before anything else; `stale-epoch-replayed` takes both away",
  },
  {
    id: "removals-not-replayed",
    breaks: "recovery replays rows that were put and not rows that were removed",
    file: "engine/btree/tree.js",
    edits: [{ find: "if (ref < 0 && lengthBytes < 0)", replace: "if (lengthBytes < 0)" }],
    scenarios: GENERAL,
  },
  {
    id: "gaps-left-in-replay",
    breaks: "rows of nodes that were merged away stay after a replay",
    file: "engine/pool/recovery.js",
    edits: [{ find: "tree.closeGaps(level, end);", replace: "tree.missing = undefined;" }],
    scenarios: ["ebbing-trees", "journal-wrap"],
  },
  {
    id: "journal-end-not-compared",
    breaks: "a journal that ends before what the superblock knows to be durable is taken as whole",
    file: "engine/pool/recovery.js",
    edits: [
      { find: "if (last.sequence < journalEnd.sequence || chain.epoch < journalEnd.epoch) {", replace: "if (false) {" },
    ],
    scenarios: ["damaged-journal", "zoned/damaged-journal"],
  },
  {
    id: "journal-scan-stops-at-damage",
    breaks: "nothing is looked for behind a journal entry that does not verify",
    file: "engine/pool/journal-search.js",
    edits: [{ find: 'if (typeof entry === "string") {', replace: 'if (typeof entry === "string") { return;' }],
    scenarios: ["damaged-journal", "zoned/damaged-journal"],
  },
  {
    id: "journal-not-searched-behind-zeros",
    breaks: "where a device lost a journal entry, the journal is taken to end",
    file: "engine/pool/journal-search.js",
    edits: [{ find: "for (const slot of self.ends())", replace: "for (const slot of [])" }],
    scenarios: ["damaged-journal", "lying-writes"],
  },
  {
    id: "last-entry-given-up",
    breaks: "recovery ends the journal one entry early",
    file: "engine/journal/scan.js",
    edits: [
      {
        find: "const last = entries.at(-1)?.entry.sequence;",
        replace: "if (entries.length > 1) entries = entries.slice(0, -1); const last = entries.at(-1)?.entry.sequence;",
      },
    ],
    scenarios: GENERAL,
  },
  {
    id: "flush-failure-ignored",
    breaks: "a flush that failed for good is taken for one that succeeded",
    file: "engine/device/bucket-io.js",
    edits: [
      {
        find: "return this.retrying(this.members[0].device.flush);",
        replace: "return Effect.catch(this.retrying(this.members[0].device.flush), () => Effect.void);",
      },
    ],
    scenarios: ["failing-disk", "zoned/failing-disk"],
  },
  {
    id: "failed-entry-not-written-again",
    breaks: "a journal entry whose write failed for good is taken for written",
    file: "engine/journal/journal-actor.js",
    edits: [{ find: "return self.put(bytes, sequence, tries + 1);", replace: "return Effect.void;" }],
    scenarios: ["failing-disk", "zoned/failing-disk"],
  },
  {
    id: "returned-device-trusted",
    breaks: "a device that was gone is written and flushed again as if it had lost nothing",
    file: "engine/device/bucket-io.js",
    edits: [{ find: 'if (error._tag !== "DeviceGone" || this.gone !== undefined)', replace: "if (true)" }],
    scenarios: ["device-gone", "zoned/device-gone"],
  },
  {
    id: "torn-entry-not-superseded",
    breaks: "an entry of which a part is missing may be made whole by what a later life writes to its place",
    file: "engine/pool/recovery.js",
    edits: [{ find: " || endIsTorn", replace: "" }],
    scenarios: ["brief-lives"],
  },
  {
    id: "superblock-read-once",
    breaks: "what a single read of a superblock's slot shows is believed",
    file: "engine/device/superblock-log.js",
    edits: [{ find: "if (seen.length >= VERIFY_TRIES_MAX ||", replace: "if (true ||" }],
    scenarios: ["stale-reads", "zoned/stale-reads"],
  },
  {
    id: "journal-end-read-once",
    breaks: "what a single read shows at the front or the end of a journal bucket is believed",
    file: "engine/pool/journal-search.js",
    edits: [{ find: "const entry = doubtful ?", replace: "const entry = false ?" }],
    scenarios: ["stale-reads", "zoned/stale-reads"],
  },
];
