/**
 * Planted bugs in what the engine does when a device gives zones up, or commands and writes on them fail.
 */
import type { Mutant } from "./mutant.ts";

const TIRING = "zoned/tiring-zones";
const FAILING = "zoned/failing-zones";
const LOST = "zoned/lost-zones";

export const zoneMutants: ReadonlyArray<Mutant> = [
  {
    id: "failed-reset-taken-for-done",
    breaks: "a zone that could not be emptied is filled as if it were empty",
    file: "engine/allocator/write-point.js",
    edits: [{ find: 'if (reset._tag === "Success")', replace: "if (true)" }],
    scenarios: [FAILING],
  },
  {
    id: "failed-journal-reset-taken-for-done",
    breaks: "a journal zone that could not be emptied is filled as if it were empty",
    file: "engine/journal/journal-actor.js",
    edits: [{ find: 'if (reset._tag === "Failure")', replace: "if (false)" }],
    scenarios: [FAILING],
  },
  {
    id: "write-tried-again-in-place",
    breaks: "a write that failed in a zone is tried again where it was, wherever the write pointer is now",
    file: "engine/device/bucket-io.js",
    edits: [
      {
        find: "this.retrying(write, this.zoneWatch.takesWriteAt(device, bucket, addressBytes))",
        replace: "this.retrying(write)",
      },
    ],
    scenarios: [TIRING, FAILING],
  },
  {
    id: "read-only-zone-allocated-again",
    breaks: "a zone that the device has given up is handed out to be written when nothing in it is live",
    file: "engine/pool/runtime.js",
    edits: [
      { find: "for (const zone of io.zoneWatch.losses)\n        buckets.retire(zone);", replace: "" },
      { find: "buckets.retire(zone);\n    if (zone.loss", replace: "if (zone.loss" },
    ],
    scenarios: [FAILING, LOST],
  },
  {
    id: "failed-zone-kept-active",
    breaks: "a zone that is given up after a write error is not finished, and counts as active for ever",
    file: "engine/device/bucket-io.js",
    edits: [{ find: "active ? Effect.asVoid(this.finish(device, bucket)) : Effect.void", replace: "Effect.void" }],
    scenarios: [FAILING, "zoned/failing-disk", TIRING],
  },
  {
    id: "offline-reference-taken-for-torn",
    breaks: "the journal ends before an entry some of whose data is in a zone that has gone offline since",
    file: "engine/pool/recovery.js",
    edits: [{ find: "if (io.isOffline(device, addressBytes))", replace: "if (false)" }],
    scenarios: [LOST],
  },
  {
    id: "offline-journal-ignored",
    breaks: "a pool is opened without asking whether its newest entries were in a journal zone that is offline",
    file: "engine/pool/recovery.js",
    edits: [{ find: "offline !== undefined && !endIsKnown(io, buckets, found)", replace: "false" }],
    scenarios: [LOST],
  },
  {
    id: "superblock-zone-not-left",
    breaks: "the superblock log writes behind a zone that could not be emptied as if it were empty",
    file: "engine/device/superblock-log.js",
    edits: [{ find: 'if (reset?._tag !== "Success")', replace: "if (false)" }],
    scenarios: [TIRING],
  },
  {
    id: "retired-journal-bucket-next",
    breaks: "a journal bucket whose zone is lost is still counted and taken in its turn",
    file: "engine/journal/ring.js",
    edits: [{ find: "slot.retired = true;", replace: "slot.retired = false;" }],
    scenarios: [FAILING, TIRING],
  },
  {
    id: "journal-room-lost-to-failures",
    breaks: "each bucket in which writing a journal entry failed counts as holding it",
    file: "engine/journal/ring.js",
    edits: [{ find: "this.slots[this.current].lastSequence = this.sequenceBefore;", replace: "" }],
    scenarios: ["zoned/brimming-journal"],
  },
  {
    id: "lost-zone-unnamed",
    breaks: "the check does not name a zone that is offline and held something",
    file: "engine/check/zones.js",
    edits: [{ find: "dataBytes + nodeBytes === 0", replace: "true" }],
    scenarios: [LOST],
  },
];
