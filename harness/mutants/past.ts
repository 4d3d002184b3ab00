/**
 * Bugs that the engine once had, planted again: each is caught by the script in scenarios/regressions that was made of
 * it, within some dozens of seeds.
 */
import type { Mutant } from "./mutant.ts";

export const pastMutants: ReadonlyArray<Mutant> = [
  {
    id: "old-journal-behind-gap-replayed",
    breaks: "journal entries follow each other by their sequence alone, also those of two lives",
    file: "engine/journal/scan.js",
    edits: [
      { find: "if (sequence < limits.get(epoch))", replace: "if (true)" },
      { find: "find(({ entry }) => entry.previous === at.checksum)", replace: "at(0)" },
    ],
    scenarios: ["regressions/old-journal-behind-a-gap"],
  },
  {
    id: "successor-by-number",
    breaks: "an entry that has the next number is believed though it was not written behind the one before it",
    file: "engine/pool/journal-search.js",
    edits: [{ find: " && entry.previous === before.checksum", replace: "" }],
    scenarios: ["regressions/stale-successor"],
  },
  {
    id: "vouching-places-reused",
    breaks: "a recovered pool writes over places that the last entries refer to before its own end is known",
    file: "engine/pool/runtime.js",
    edits: [{ find: "    keepWhatVouches(buckets, io, recovered);\n", replace: "" }],
    scenarios: ["regressions/places-that-vouch"],
  },
  {
    id: "punched-rows-shown",
    breaks: "rows that a punch has not taken out yet can be read, though it took effect",
    file: "engine/data/reader.js",
    edits: [{ find: "visibleParts(all, state?.hidden)", replace: "all" }],
    scenarios: ["regressions/read-while-punched"],
  },
  {
    id: "later-time-kept",
    breaks: "writeback keeps the time of modification that is later, not the one that was set last",
    file: "engine/data/writeback.js",
    edits: [
      {
        find: "modified: modified ?? row.modified,",
        replace: "modified: modified === undefined ? row.modified : later(row.modified, modified),",
      },
    ],
    scenarios: ["regressions/time-in-the-future"],
  },
  {
    id: "device-number-of-fifo-kept",
    breaks: "a FIFO or a socket keeps the device number that mknod was given",
    file: "engine/fs/changes.js",
    edits: [{ find: "isDevice ? rdev : 0", replace: "rdev" }],
    scenarios: ["regressions/device-number-of-a-fifo"],
  },
  {
    id: "anything-read-as-file",
    breaks: "a directory or a FIFO can be read like a file",
    file: "engine/data/reader.js",
    edits: [
      { find: "import { loadRegular } from", replace: "import { loadInode } from" },
      {
        find: "const row = loadRegular(tx, inode, state);",
        replace: 'const row = loadInode(tx, inode) ?? new FsError("NoEntry", `inode ${inode}`);',
      },
    ],
    scenarios: ["regressions/read-of-a-fifo"],
  },
];
