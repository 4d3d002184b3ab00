/**
 * Planted bugs of the btree: splits, merges, the order of writes, what a node has on disk.
 */
import type { Mutant } from "./mutant.ts";

export const btreeMutants: ReadonlyArray<Mutant> = [
  {
    id: "waiting-change-forgotten",
    breaks: "a change that waits for room in the journal when the pool freezes is left waiting",
    file: "engine/pool/runtime.js",
    edits: [
      {
        find: "supervisor.onFailure(() => {\n        runtime.writer.retryWaiting();\n        runtime.btree.retryWaiting();",
        replace: "supervisor.onFailure(() => {\n        runtime.writer.retryWaiting();",
      },
    ],
    scenarios: ["frozen-readers", "zoned/frozen-readers", "failing-disk"],
  },
  {
    id: "freeze-refuses-reads",
    breaks: "what is being read when a pool freezes is refused, though it could be read",
    file: "engine/actor.js",
    edits: [{ find: "if (!this.frozen || !pending.reads)", replace: "if (true)" }],
    scenarios: ["frozen-readers", "zoned/frozen-readers"],
  },
  {
    id: "commit-at-once-without-room",
    breaks: "what is committed at once does not ask whether the journal has room for it",
    file: "engine/btree/btree-actor.js",
    edits: [
      {
        find: "if (this.refusal !== undefined || !this.hasRoom)\n                return undefined;",
        replace: "if (this.refusal !== undefined)\n                return undefined;",
      },
    ],
    scenarios: ["pressed-journal", "zoned/pressed-journal"],
  },
  {
    id: "split-once-for-a-row",
    breaks: "a leaf is split once for a row that does not fit, though the half that it goes to may be as good as full",
    file: "engine/btree/tree.js",
    edits: [
      {
        find: "if (node.leaf.fits(words) && node.leaf.n < rowsMax)",
        replace: "if (parts > 0 || (node.leaf.fits(words) && node.leaf.n < rowsMax))",
      },
    ],
    scenarios: ["lopsided-leaves", "zoned/lopsided-leaves"],
  },
  {
    id: "split-drops-row",
    breaks: "a leaf that splits loses the row at the cut",
    file: "engine/btree/tree.js",
    edits: [
      { find: "this.setLeaf(node, leaf.slice(0, cut));", replace: "this.setLeaf(node, leaf.slice(0, cut - 1));" },
    ],
    scenarios: ["many-small-files", "journal-wrap"],
  },
  {
    id: "merged-row-left",
    breaks: "the row of a node that was merged away stays in its parent",
    file: "engine/btree/tree.js",
    edits: [{ find: "left.absorbed.push({ inode, offset, snapshot, pointer });", replace: "" }],
    scenarios: ["journal-wrap", "many-small-files", "deep-tree"],
  },
  {
    id: "merge-loses-pin",
    breaks: "a merged node forgets which journal entries its rows stand in",
    file: "engine/btree/tree.js",
    edits: [
      {
        find: "const pin = Math.min(sequence, left.pin, right.pin);",
        replace: "const pin = sequence;\n        this.dirty.remove(left);",
      },
    ],
    scenarios: ["journal-wrap", "many-small-files"],
  },
  {
    id: "removal-leaves-leaf-clean",
    breaks: "a removal does not make its leaf dirty",
    file: "engine/btree/tree.js",
    edits: [
      {
        find: "            return;\n        this.dirty.add(node, sequence);\n        const small",
        replace: "            return;\n        const small",
      },
    ],
    scenarios: ["journal-wrap", "many-small-files", "concurrent-names"],
  },
  {
    id: "finger-kept-over-merge",
    breaks: "the last leaf found is still used after it was merged away",
    file: "engine/btree/tree.js",
    edits: [
      { find: 'reached("leaves merged");\n        this.finger = undefined;', replace: 'reached("leaves merged");' },
    ],
    scenarios: ["journal-wrap", "many-small-files"],
  },
  {
    id: "finger-kept-over-split",
    breaks: "the last leaf found is still used for keys that a split gave away",
    file: "engine/btree/tree.js",
    edits: [{ find: "const leaf = node.leaf;\n        this.finger = undefined;", replace: "const leaf = node.leaf;" }],
    scenarios: ["many-small-files", "journal-wrap"],
  },
  {
    id: "changes-during-write-forgotten",
    breaks: "a node that changes while it is written counts as written",
    file: "engine/btree/node-writer.js",
    edits: [{ find: "node.moved = false;", replace: "node.moved = false; trees.dirty.remove(node);" }],
    scenarios: ["journal-wrap", "ebbing-trees"],
  },
  {
    id: "first-child-not-written",
    breaks: "an interior node is written although its first child has no place on disk",
    file: "engine/btree/flush.js",
    edits: [{ find: "addWithGroup(trees, first, chosen);", replace: "" }],
    scenarios: ["journal-wrap", "deep-tree", "many-small-files"],
  },
  {
    id: "pin-of-write-under-way-forgotten",
    breaks: "entries whose rows are in a node that is just being written are given up",
    file: "engine/btree/trees.js",
    edits: [
      {
        find: "this.dirty.oldest?.pin ?? open, this.flushingPin, this.checkpointPin, open)",
        replace: "this.dirty.oldest?.pin ?? open, this.checkpointPin, open)",
      },
    ],
    scenarios: ["journal-wrap", "many-small-files"],
  },
  {
    id: "dirty-leaf-evicted",
    breaks: "a leaf with rows that are not written is evicted",
    file: "engine/btree/trees.js",
    edits: [
      {
        find: "else if (node.dirty || node.flushing || node.pointer === undefined)",
        replace: "else if (node.flushing || node.pointer === undefined)",
      },
    ],
    scenarios: ["journal-wrap", "many-small-files", "small-memory"],
  },
  {
    id: "node-at-once-without-deltas",
    breaks: "of a node that a device has at hand only the first record is read",
    file: "engine/btree/node-loader.js",
    edits: [
      {
        find: "const { device, addressBytes, lengthBytes } of pointer.records)",
        replace: "const { device, addressBytes, lengthBytes } of pointer.records.slice(0, 1))",
      },
    ],
    scenarios: ["journal-wrap", "many-small-files", "concurrent-mixed"],
  },
  {
    id: "node-record-not-verified",
    breaks: "recovery does not look whether the nodes that an entry relies on arrived",
    file: "engine/btree/node-writer.js",
    edits: [
      {
        find: "journal.gathering.refs.push({ device, addressBytes, lengthBytes: bytes.length, checksum: whole });",
        replace: "",
      },
    ],
    scenarios: ["journal-wrap", "crash-in-recovery", "many-small-files"],
  },
  {
    id: "group-written-left-first",
    breaks: "of nodes that split the left one is written before the right one",
    file: "engine/btree/node-writer.js",
    edits: [{ find: "for (const member of group.reverse())", replace: "for (const member of group)" }],
    scenarios: ["ebbing-trees", "zoned/ebbing-trees"],
  },
  {
    id: "rows-behind-range-kept",
    breaks: "rows that a node gave away before it was written count when it is loaded",
    file: "engine/btree/node-loader.js",
    edits: [{ find: "const leaf = this.trimmed(node, rows);", replace: "const leaf = rows;" }],
    scenarios: ["ebbing-trees", "zoned/ebbing-trees"],
  },
  {
    id: "base-not-image-after-slice",
    breaks: "a node that was cut is written as a delta of what it was",
    file: "engine/btree/tree.js",
    edits: [
      {
        find: "node.leaf.free();\n        node.leaf = leaf;\n        node.needsImage = true;",
        replace: "node.leaf.free();\n        leaf.seal();\n        node.leaf = leaf;",
      },
    ],
    scenarios: ["journal-wrap", "many-small-files"],
  },
  {
    id: "superblock-believed",
    breaks: "a superblock with a right checksum is believed, whatever it says of blocks, buckets and the journal",
    file: "engine/pool/pool.js",
    edits: [{ find: "const fault = shapeFault(superblock, device);", replace: "const fault = undefined;" }],
    scenarios: ["hostile-images"],
  },
  {
    id: "malformed-row-ends-pool",
    breaks: "a row that makes no sense ends the whole pool, not the operation that met it",
    file: "engine/btree/btree-actor.js",
    edits: [{ find: "if (!(reason instanceof Malformed))", replace: "if (reason !== undefined)" }],
    scenarios: ["hostile-images"],
  },
  {
    id: "merged-in-replay-forgotten",
    breaks: "recovery takes the records of a node that the replay merged into another for free space",
    file: "engine/pool/runtime.js",
    edits: [{ find: "const merged = absorbed.flatMap((row) => row.pointer.records);", replace: "const merged = [];" }],
    scenarios: ["pressed-journal"],
  },
  {
    id: "leaves-fought-over",
    breaks: "transactions that need more leaves than there is memory for evict those of one another for ever",
    file: "engine/btree/btree-actor.js",
    edits: [{ find: "if (++request.loads === LOADS_BEFORE_HOLD) {", replace: "if (++request.loads < 0) {" }],
    scenarios: ["crowded-sweeps"],
  },
  {
    id: "group-broken-by-leaf-between",
    breaks: "a leaf that is added between two that must be written together parts them",
    file: "engine/btree/tree.js",
    edits: [{ find: " && !this.leadsGroup(node)", replace: "" }],
    scenarios: ["ebbing-trees", "zoned/ebbing-trees"],
  },
];
