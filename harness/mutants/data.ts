/**
 * Planted bugs of file data: extents, writeback, truncate and the ranges of fallocate, collection.
 */
import { GENERAL, type Mutant } from "./mutant.ts";

export const dataMutants: ReadonlyArray<Mutant> = [
  {
    id: "left-alone-called-compressed",
    breaks: "an extent that is left alone for its file's past is recorded as compressed",
    file: "engine/data/encode.js",
    edits: [
      {
        find: "checksum, compression: Compression.none, rawBytes: bytes.length };",
        replace:
          "checksum, compression: history?.disappointments > 1 ? compression : Compression.none, rawBytes: bytes.length };",
      },
    ],
    scenarios: ["stubborn-data"],
  },
  {
    id: "guess-of-another-range",
    breaks: "what was compressed ahead is stored for what comes before it, if that was cut at the end of a bucket",
    file: "engine/data/ahead.js",
    edits: [{ find: "this.guesses[0]?.start === start", replace: "this.guesses.length > 0" }],
    scenarios: ["everything", "zoned/everything", "shared-files"],
  },
  {
    id: "cut-extent-called-whole",
    breaks: "an extent that was cut at the end of a bucket stands for all of its range",
    file: "engine/data/writeback.js",
    edits: [{ find: "end: start + encoded.rawBytes", replace: "end" }],
    scenarios: ["everything", "zoned/everything", "shared-files"],
  },
  {
    id: "helped-with-the-wrong-piece",
    breaks: "a writer that helps to compress takes the bytes of the piece that it waits for",
    file: "engine/data/ahead.js",
    edits: [{ find: "shrink(this.taken.view(other)", replace: "shrink(this.taken.view(guess)" }],
    scenarios: ["sparse", "shared-files", "everything"],
  },
  {
    id: "older-bytes-shown",
    breaks: "a read shows bytes that are being written over newer ones",
    file: "engine/data/reader.js",
    edits: [
      {
        find: "for (const layer of [state.writing, state.dirty]) {",
        replace: "for (const layer of [state.dirty, state.writing]) {",
      },
    ],
    scenarios: ["shared-files", "zoned/shared-files"],
  },
  {
    id: "part-shows-front",
    breaks: "a part of an extent shows the extent's beginning",
    file: "engine/data/extent-map.js",
    edits: [
      {
        find: "rawOffset: extent.rawOffset + (start - row.start), lengthBytes: end - start }",
        replace: "rawOffset: extent.rawOffset, lengthBytes: end - start }",
      },
    ],
    scenarios: ["sparse", "truncate-and-extend"],
  },
  {
    id: "end-of-extent-dropped",
    breaks: "an extent that is cut in its middle loses what lies behind",
    file: "engine/data/extent-map.js",
    edits: [
      {
        find: "putRow(tx, inode, row.end, partOf(row, to, row.end));",
        replace: "tx.remove(Table.extents, inode, row.end, SNAPSHOT_ROOT);",
      },
    ],
    scenarios: ["sparse", "truncate-and-extend"],
  },
  {
    id: "failed-data-dropped",
    breaks: "data that could not be written is forgotten",
    file: "engine/data/writeback.js",
    edits: [{ find: "state.dirty.putUnder(taken);", replace: "" }],
    scenarios: ["refused-data", "zoned/refused-data"],
  },
  {
    id: "old-data-not-written",
    breaks: "dirty data is written when it is asked for or too much, never for its age",
    file: "engine/pool/pool.js",
    edits: [{ find: "every(writebackMs, core.writebackForAge)", replace: "every(writebackMs, Effect.void)" }],
    scenarios: ["unsynced-data", "zoned/unsynced-data"],
  },
  {
    id: "commits-wait-for-a-sync",
    breaks: "what was committed becomes durable when somebody syncs or the journal's entry is full, never for its age",
    file: "engine/pool/pool.js",
    edits: [{ find: "every(commitMs, journal.sync)", replace: "every(commitMs, Effect.void)" }],
    scenarios: ["unsynced-data", "zoned/unsynced-data"],
  },
  {
    id: "dirty-memory-stays-counted",
    breaks: "the memory of dirty data counts as taken after the data was written",
    file: "engine/data/dirty.js",
    edits: [
      {
        find: "this.memory.heldBytes -= window.heldBytes + (this.windows.size === 0 ? FILE_OVERHEAD_BYTES : 0);",
        replace: "",
      },
    ],
    scenarios: ["memory-pressure", "small-memory", "refused-data"],
  },
  {
    id: "extents-read-together-not-verified",
    breaks: "extents that are read together are taken as they come",
    file: "engine/data/stored-extents.js",
    edits: [
      {
        find: "all.subarray(at, at + extent.storedBytes);\n                const bytes = decode(stored, extent);",
        replace: "all.subarray(at, at + extent.rawBytes);\n                const bytes = stored;",
      },
    ],
    scenarios: ["streams", "zoned/streams"],
  },
  {
    id: "answer-not-held",
    breaks: "memory of a read is used again when the cache lets go of it, whoever else looks at it",
    file: "engine/data/read-memory.js",
    edits: [
      {
        find: "this.holders--;\n        if (this.holders === 0)",
        replace: "this.holders--;\n        if (this.holders <= 1)",
      },
    ],
    scenarios: ["streams", "zoned/streams"],
  },
  {
    id: "cached-answer-not-held",
    breaks: "an answer from the read cache does not hold the memory that it lets go of",
    file: "engine/data/stored-extents.js",
    edits: [{ find: "cached?.memory?.hold();", replace: "" }],
    scenarios: ["streams", "zoned/streams"],
  },
  {
    id: "window-not-verified",
    breaks: "what lies around an extent that was read is taken for what it was when it is asked for",
    file: "engine/data/stored-extents.js",
    edits: [
      {
        find: "const bytes = decode(stored, extent);\n        if (bytes === undefined)",
        replace:
          "const bytes = extent.compression === 0 ? stored : decode(stored, extent);\n        if (bytes === undefined)",
      },
    ],
    scenarios: ["side-by-side", "zoned/side-by-side"],
  },
  {
    id: "stored-data-not-verified",
    breaks: "recovery does not look whether the data that an entry relies on arrived",
    file: "engine/data/writeback.js",
    edits: [{ find: "tx.depend(placement.device, placement.addressBytes, stored.length, checksum);", replace: "" }],
    scenarios: GENERAL,
  },
  {
    id: "collected-data-not-verified",
    breaks: "recovery does not look whether extents that were moved arrived at their new places",
    file: "engine/data/collector.js",
    edits: [{ find: "tx.depend(placement.device, placement.addressBytes, stored.length, checksum);", replace: "" }],
    scenarios: ["collection-under-load", "fill-to-full-and-delete"],
  },
  {
    id: "cleared-range-shown",
    breaks: "rows that a truncate or a punch is still taking out can be read",
    file: "engine/data/reader.js",
    edits: [{ find: "visibleParts(all, state?.hidden)", replace: "all" }],
    scenarios: ["crowded-sweeps", "zoned/crowded-sweeps"],
  },
  {
    id: "clearing-not-resumed",
    breaks: "a truncate that a crash interrupted is not finished",
    file: "engine/pool/pool.js",
    edits: [{ find: "yield* core.resumeLoggedOperations;", replace: "" }],
    scenarios: ["crowded-sweeps", "zoned/crowded-sweeps"],
  },
  {
    id: "truncate-keeps-dirty-bytes",
    breaks: "dirty bytes behind the new end of a truncated file are written back",
    file: "engine/fs/ranges.js",
    edits: [{ find: "self.access.dropDirty(state, size);", replace: "" }],
    scenarios: ["truncate-and-extend", "sparse"],
  },
  {
    id: "truncate-does-not-wait",
    breaks: "a truncate takes effect before data that was written earlier",
    file: "engine/fs/ranges.js",
    edits: [
      {
        find: "return !state.dirty.empty && (size > state.size || state.dirty.within(0, size).length > 0);",
        replace: "return false;",
      },
    ],
    scenarios: ["truncate-and-extend", "sparse", "concurrent-mixed"],
  },
  {
    id: "rows-changed-without-lock",
    breaks: "a truncate does not wait for the writeback of its file",
    file: "engine/fs/ranges.js",
    edits: [
      {
        find: "(state) => this.access.locked(state, () => this.truncateLocked(state, size, change, observe))",
        replace: "(state) => this.truncateLocked(state, size, change, observe)",
      },
    ],
    scenarios: ["shared-files", "truncate-and-extend"],
  },
  {
    id: "user-not-counted",
    breaks: "an operation does not keep the state of its file in memory",
    file: "engine/fs/file-access.js",
    edits: [
      {
        find: "taken = this.files.obtain(inode, row.sizeBytes, true);\n                taken.users++;",
        replace: "taken = this.files.obtain(inode, row.sizeBytes, true);",
      },
      { find: "taken.users--;\n            this.files.drop(taken);", replace: "this.files.drop(taken);" },
    ],
    scenarios: ["shared-files", "zoned/shared-files"],
  },
  {
    id: "size-follows-last-write",
    breaks: "a write before the end of a file makes its own end the size",
    file: "engine/fs/file.js",
    edits: [
      { find: "state.size = Math.max(state.size, at + bytes.length);", replace: "state.size = at + bytes.length;" },
    ],
    scenarios: GENERAL,
  },
  {
    id: "syncfs-without-writeback",
    breaks: "syncfs makes the journal durable and writes no data",
    file: "engine/fs/file.js",
    edits: [
      {
        find: "return Effect.andThen(this.writebackAll, this.services.transactor.sync);",
        replace: "return this.services.transactor.sync;",
      },
    ],
    scenarios: GENERAL,
  },
  {
    id: "allocated-bytes-drift",
    breaks: "taking rows out does not lower what the file has allocated",
    file: "engine/data/extent-map.js",
    edits: [{ find: "allocatedChange -= to - from;", replace: "allocatedChange -= to - from > 4096 ? to - from : 0;" }],
    scenarios: ["sparse", "truncate-and-extend"],
  },
  {
    id: "file-grows-to-whole-pages",
    breaks: "fallocate moves the end of the file out to the end of the last page it allocates",
    file: "engine/fs/ranges.js",
    edits: [
      {
        find: "const sizeBytes = last && grows ? Math.max(row.sizeBytes, end) : row.sizeBytes;",
        replace: "const sizeBytes = last && grows ? Math.max(row.sizeBytes, behind) : row.sizeBytes;",
      },
    ],
    scenarios: ["sparse", "truncate-and-extend"],
  },
  {
    id: "write-time-lost",
    breaks: "writeback does not bring the time of the last write to the inode",
    file: "engine/data/writeback.js",
    edits: [{ find: "modified: modified ?? row.modified,", replace: "modified: row.modified," }],
    scenarios: ["attributes", "concurrent-mixed"],
  },
  {
    id: "misread-not-read-again",
    breaks: "what does not verify is lost at once, though only the reading of it went wrong",
    file: "engine/device/bucket-io.js",
    edits: [{ find: "VERIFY_TRIES_MAX = 3;", replace: "VERIFY_TRIES_MAX = 1;" }],
    scenarios: ["many-misreads", "zoned/many-misreads"],
  },
];
