/**
 * Planted bugs of the allocator: which buckets are free, what space was promised, when a place may be used again.
 */
import type { Mutant } from "./mutant.ts";

export const allocationMutants: ReadonlyArray<Mutant> = [
  {
    id: "bucket-not-reset",
    breaks: "a bucket that was used before is not emptied before it is filled again",
    file: "engine/allocator/write-point.js",
    edits: [{ find: "while (taken.reset) {", replace: "while (false) {" }],
    scenarios: ["collection-under-load", "zoned/collection-under-load", "fill-to-full-and-delete"],
  },
  {
    id: "zone-not-finished",
    breaks: "a zone that is left with room at its end stays open",
    file: "engine/allocator/write-point.js",
    edits: [{ find: "yield* self.io.finish(full.device, full.bucket);", replace: "yield* Effect.void;" }],
    scenarios: ["zoned/fill-to-full-and-delete", "zoned/collection-under-load"],
  },
  {
    id: "waste-not-counted",
    breaks: "the unused ends of buckets are counted as space",
    file: "engine/allocator/buckets.js",
    edits: [{ find: "this.wasteBytes += wasteBytes;", replace: "this.wasteBytes += 0;" }],
    scenarios: ["fill-to-full-and-delete", "zoned/fill-to-full-and-delete"],
  },
  {
    id: "promises-not-counted",
    breaks: "space that is promised to dirty data is promised again",
    file: "engine/allocator/space.js",
    edits: [
      {
        find: "buckets.wasteBytes - this.reservedBytes",
        replace: "buckets.wasteBytes",
      },
    ],
    scenarios: ["fill-to-full-and-delete", "zoned/fill-to-full-and-delete"],
  },
  {
    id: "no-bucket-kept-for-metadata",
    breaks: "data may take the last free buckets",
    file: "engine/allocator/buckets.js",
    edits: [{ find: "{ btree: 1, collected: 2, data: 4 }", replace: "{ btree: 0, collected: 0, data: 0 }" }],
    scenarios: ["crowded-collection", "zoned/crowded-collection"],
  },
  {
    id: "freeing-entry-forgotten",
    breaks: "a bucket does not remember which journal entry emptied it",
    file: "engine/allocator/buckets.js",
    edits: [
      {
        find: "if (liveBytes < this.live[id])\n            this.freedBy[id] = Math.max(this.freedBy[id], sequence);",
        replace: "",
      },
    ],
    scenarios: ["churn", "zoned/churn"],
  },
  {
    id: "read-not-held",
    breaks: "a bucket may be reset while extents in it are being read",
    file: "engine/data/reader.js",
    edits: [
      { find: "this.services.store.hold(extent.pointers);", replace: "undefined;" },
      { find: "this.services.store.release(extent.pointers);", replace: "undefined;" },
    ],
    scenarios: ["crowded-collection", "zoned/crowded-collection"],
  },
  {
    id: "append-held-for-ever",
    breaks: "a bucket that something was appended to never comes free again",
    file: "engine/allocator/write-point.js",
    edits: [{ find: "this.buckets.hold(bucket);", replace: "this.buckets.inFlight[this.buckets.id(bucket)] = 1e6;" }],
    scenarios: ["collection-under-load", "fill-to-full-and-delete"],
  },
  {
    id: "generation-not-raised",
    breaks: "a bucket that is filled again keeps its generation",
    file: "engine/allocator/buckets.js",
    edits: [
      {
        find: "this.generation[id] = this.generation[id] + 1;",
        replace: "this.generation[id] = Math.max(1, this.generation[id]);",
      },
    ],
    scenarios: ["crowded-collection", "zoned/crowded-collection"],
  },
  {
    id: "copied-over-and-over",
    breaks: "the collector copies the same buckets in the background again though nobody has changed anything",
    file: "engine/allocator/space.js",
    edits: [{ find: "others - this.othersThen >= COMMITS_BETWEEN_COPIES", replace: "true" }],
    scenarios: ["thin-nodes", "zoned/thin-nodes"],
    equivalent:
      "each copy gains a quarter of a bucket, which of nodes is weighed before it (`copied-at-a-loss`), so that copies come to an end by themselves; what is saved are further reads of buckets that cannot be emptied",
  },
  {
    id: "copied-at-a-loss",
    breaks: "buckets of nodes are copied though the copy takes more than it frees",
    file: "engine/allocator/space.js",
    edits: [{ find: "ofNodes && (takes ??=", replace: "false && (takes ??=" }],
    scenarios: ["scattered-nodes", "zoned/scattered-nodes"],
  },
  {
    id: "check-races-collector",
    breaks: "extents are moved while a check compares rows of several tables",
    file: "engine/allocator/space.js",
    edits: [{ find: "return this.one.withPermits(1)(work);", replace: "return work;" }],
    scenarios: ["crowded-collection", "zoned/crowded-collection"],
  },
  {
    id: "reservation-leaks",
    breaks: "space that was set aside for a write is not given back when it is written",
    file: "engine/data/writeback.js",
    edits: [{ find: "this.services.space.release(released);", replace: "" }],
    scenarios: ["fill-to-full-and-delete", "append-log"],
  },
  {
    id: "failed-bucket-used-on",
    breaks: "a bucket in which a write failed for good takes the next one",
    file: "engine/allocator/write-point.js",
    edits: [
      { find: "this.open = undefined;\n        if (io.isConventional", replace: "if (io.isConventional" },
      {
        find: "if (!healthy)\n            buckets.retire(bucket);\n        return",
        replace: "return Effect.void; return",
      },
    ],
    scenarios: ["zoned/failing-disk"],
  },
];
