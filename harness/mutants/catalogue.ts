/**
 * The planted bugs by which the campaign is measured: each is a mistake that somebody could make.
 *
 * Those in this file stand for the promises that matter most; the others are kept by the room of the engine in which
 * they are planted.
 */
import { allocationMutants } from "./allocation.ts";
import { btreeMutants } from "./btree.ts";
import { dataMutants } from "./data.ts";
import { journalMutants } from "./journal.ts";
import { GENERAL, type Mutant } from "./mutant.ts";
import { namesMutants } from "./names.ts";
import { pastMutants } from "./past.ts";
import { survivorMutants } from "./survivors.ts";
import { upgradeMutants } from "./upgrades.ts";
import { zoneMutants } from "./zones.ts";

const principal: ReadonlyArray<Mutant> = [
  {
    id: "flush-skipped",
    breaks: "an fsync is acknowledged without a flush of the device",
    file: "engine/journal/journal-actor.js",
    edits: [{ find: "return Effect.map(this.io.flush, () => {", replace: "return Effect.map(Effect.void, () => {" }],
    scenarios: GENERAL,
  },
  {
    id: "entry-checksum-ignored",
    breaks: "a journal entry is accepted without its checksum",
    file: "engine/format/codec.js",
    edits: [
      {
        find: "if (checksumOf(data, at + header.magic, at + lengthBytes) !== checksum)",
        replace: "if (kind !== 2 && checksumOf(data, at + header.magic, at + lengthBytes) !== checksum)",
      },
    ],
    scenarios: GENERAL,
  },
  {
    id: "bucket-reused-early",
    breaks: "a bucket is handed out again before the entry that freed it is durable",
    file: "engine/allocator/buckets.js",
    edits: [
      { find: "if (this.freedBy[id] > knownFlushedSequence)", replace: "if (false)" },
      {
        find: "this.waste[id] = 0;\n        this.emptied.add(id);",
        replace: "this.waste[id] = 0;\n        this.emptied.add(id); this.freeUpTo(0);",
      },
    ],
    scenarios: ["collection-under-load", "fill-to-full-and-delete", "truncate-and-extend"],
  },
  {
    id: "stale-epoch-replayed",
    breaks: "a journal entry that a later epoch has superseded is replayed",
    file: "engine/journal/scan.js",
    edits: [
      { find: "if (sequence < limits.get(epoch))", replace: "if (true)" },
      { find: "find(({ entry }) => entry.previous === at.checksum)", replace: "at(0)" },
    ],
    scenarios: ["many-lives", "zoned/many-lives"],
  },
  {
    id: "rename-not-atomic",
    breaks: "a rename adds the new name in one transaction and removes the old one in another",
    file: "engine/fs/filesystem.js",
    edits: [
      {
        find: "const renamed = this.changes.told((tx) => this.changes.rename(tx, from, to, mode, whiteout));",
        replace:
          "const renamed = this.changes.told((tx) => { const source = this.changes.lookup(tx, from); const half = mode === 'replace' && !(source instanceof FsError) && (source.mode & 0o170000) !== 0o040000 && this.changes.lookup(tx, to) instanceof FsError; this.late = half ? from : undefined; if (!half) return this.changes.rename(tx, from, to, mode, whiteout); const linked = link(tx, source.inode, to, this.parts.now(), false); return linked instanceof FsError ? linked : undefined; });",
      },
      {
        find: "return this.purgeAfter(whole);",
        replace:
          "return Effect.andThen(this.purgeAfter(whole), Effect.suspend(() => { const late = this.late; this.late = undefined; return late === undefined ? Effect.void : toFs(services.transactor.transact((tx) => { this.changes.remove(tx, late, false); })); }));",
      },
    ],
    scenarios: ["many-syncs", "rename-replace", "concurrent-mixed"],
  },
  {
    id: "size-before-data",
    breaks: "the size of a file is committed before its data",
    file: "engine/data/writeback.js",
    edits: [
      {
        find: "sizeBytes: Math.max(row.sizeBytes, done),",
        replace: "sizeBytes: Math.max(row.sizeBytes, done, this.files.get(inode)?.size ?? 0),",
      },
    ],
    scenarios: ["concurrent-mixed", "append-log", "sparse", "truncate-and-extend"],
  },
  {
    id: "collection-drops-update",
    breaks: "the collector overwrites a pointer that was changed while it copied",
    file: "engine/data/collector.js",
    edits: [{ find: "if (!stillThere(tx, row, before)) {", replace: "if (false) {" }],
    scenarios: ["collection-under-load", "fill-to-full-and-delete"],
  },
  {
    id: "delta-lost",
    breaks: "the last delta record of a node is not applied when it is loaded",
    file: "engine/btree/node-loader.js",
    edits: [
      {
        find: "for (let index = 1; index < bytes.length; index++) {",
        replace: "for (let index = 1; index < bytes.length - 1; index++) {",
      },
    ],
    scenarios: ["journal-wrap", "many-small-files"],
  },
  {
    id: "orphan-never-freed",
    breaks: "a file that was unlinked while open is not removed after a crash",
    file: "engine/fs/core.js",
    edits: [{ find: "yield* files.purge(inode);", replace: "yield* Effect.void;" }],
    scenarios: ["open-unlinked", "concurrent-mixed"],
  },
  {
    id: "link-count-kept",
    breaks: "unlinking one of several names leaves the link count",
    file: "engine/fs/namespace.js",
    edits: [{ find: "links: row.links - 1,", replace: "links: row.links," }],
    scenarios: ["hard-links", "concurrent-mixed"],
  },
  {
    id: "references-not-verified",
    breaks: "recovery accepts an entry whose data did not arrive",
    file: "engine/pool/recovery.js",
    edits: [{ find: "if (!holds) {", replace: "if (false) {" }],
    scenarios: GENERAL,
  },
  {
    id: "truncate-keeps-bytes",
    breaks: "a truncate leaves bytes behind the new end, which show again when the file grows",
    file: "engine/fs/ranges.js",
    edits: [
      {
        find: "end > size ? clearRange(tx, inode, size, end)",
        replace: "end > size ? clearRange(tx, inode, Math.min(end, size + 100), end)",
      },
    ],
    scenarios: ["truncate-and-extend", "sparse"],
  },
  {
    id: "held-bucket-freed",
    breaks: "a bucket is freed although something appended to it has not been committed yet",
    file: "engine/allocator/buckets.js",
    edits: [{ find: "if (this.live[id] !== 0 || this.inFlight[id] !== 0 ||", replace: "if (this.live[id] !== 0 ||" }],
    scenarios: ["collection-under-load", "fill-to-full-and-delete", "concurrent-mixed"],
  },
  {
    id: "data-checksum-ignored",
    breaks: "stored data is returned without looking at its checksum",
    file: "engine/data/encode.js",
    edits: [{ find: "if (checksumOf(stored, 0, stored.length) !== checksum)", replace: "if (false)" }],
    scenarios: ["bit-rot"],
  },
  {
    id: "split-halves-written-apart",
    breaks: "a node that gave rows to a new neighbour is written without it",
    file: "engine/btree/tree.js",
    edits: [
      {
        find: "if (right === undefined || !right.moved || right.pointer !== undefined)",
        replace: "if (true)",
      },
    ],
    scenarios: ["journal-wrap", "many-small-files"],
  },
  {
    id: "split-loses-pin",
    breaks: "a node born of a split forgets which journal entries its rows stand in",
    file: "engine/btree/tree.js",
    edits: [
      {
        find: "const pin = Math.min(sequence, left.pin, left.flushingPin);\n        this.dirty.add(left, pin);",
        replace: "const pin = sequence;\n        this.dirty.remove(left);\n        this.dirty.add(left, pin);",
      },
    ],
    scenarios: ["journal-wrap", "many-small-files"],
  },
  {
    id: "journal-released-early",
    breaks: "journal buckets are given up though nodes still need their entries",
    file: "engine/journal/journal-actor.js",
    edits: [{ find: "this.ring.release(oldest);", replace: "this.ring.release(this.durableSequence);" }],
    scenarios: ["journal-wrap"],
  },
  {
    id: "rename-before-data",
    breaks: "a rename over an existing file does not wait for the data of the new one",
    file: "engine/fs/changes.js",
    edits: [
      {
        find: 'if (mode !== "no-replace" && state?.unwritten === true && findName(tx, to) !== undefined)',
        replace: "if (false)",
      },
    ],
    scenarios: ["rename-replace", "concurrent-mixed"],
  },
  {
    id: "fsync-without-writeback",
    breaks: "fsync makes the journal durable but does not write the file's data",
    file: "engine/fs/file.js",
    edits: [{ find: "yield* self.reportFailure(state, self.writebackFile(state));", replace: "yield* Effect.void;" }],
    scenarios: GENERAL,
  },
  {
    id: "active-zones-forgotten",
    breaks: "zones that were being written before a crash stay active",
    file: "engine/pool/pool.js",
    edits: [{ find: "yield* io.finish(device, zone);", replace: "yield* Effect.void;" }],
    scenarios: ["zoned/crash-in-recovery", "zoned/create-write-fsync", "zoned/concurrent-mixed"],
  },
];

export const catalogue: ReadonlyArray<Mutant> = [
  ...principal,
  ...journalMutants,
  ...allocationMutants,
  ...btreeMutants,
  ...dataMutants,
  ...zoneMutants,
  ...namesMutants,
  ...pastMutants,
  ...survivorMutants,
  ...upgradeMutants,
];
