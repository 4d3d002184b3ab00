/**
 * Planted bugs of names and attributes: link counts, rename, directories, xattrs, inode numbers.
 */
import type { Mutant } from "./mutant.ts";

export const namesMutants: ReadonlyArray<Mutant> = [
  {
    id: "compression-not-inherited",
    breaks: "what is made in a directory has no compression of its own, whatever the directory has",
    file: "engine/fs/namespace.js",
    edits: [{ find: 'reached("compression inherited");', replace: "return 0;" }],
    scenarios: ["attributes", "zoned/attributes"],
  },
  {
    id: "compression-lost-in-writeback",
    breaks: "a file's own compression is gone once data of it was written back",
    file: "engine/data/writeback.js",
    edits: [
      {
        find: "sizeBytes: Math.max(row.sizeBytes, done)",
        replace: "compression: 0, sizeBytes: Math.max(row.sizeBytes, done)",
      },
    ],
    scenarios: ["attributes", "zoned/attributes"],
  },
  {
    id: "compression-lost-in-truncate",
    breaks: "a truncate takes a file's own compression away",
    file: "engine/fs/ranges.js",
    edits: [
      {
        find: "const stored = { ...after, sizeBytes: size,",
        replace: "const stored = { ...after, compression: 0, sizeBytes: size,",
      },
    ],
    scenarios: ["process-crash-data"],
  },
  {
    id: "rename-at-once-before-data",
    breaks: "a rename that is answered at once does not wait for the data of what it puts in another file's place",
    file: "engine/fs/at-once.js",
    edits: [
      {
        find: "if (this.changes.unwrittenSource(tx, from, to, mode) !== undefined)",
        replace: "if (false)",
      },
    ],
    scenarios: ["rename-replace", "concurrent-mixed"],
  },
  {
    id: "linked-file-still-orphan",
    breaks: "a file that was made without a name stays an orphan when it gets one, and goes with the next crash",
    file: "engine/fs/namespace.js",
    edits: [
      {
        find: 'reached("nameless file linked");\n        tx.remove(Table.orphans, inode, 0, SNAPSHOT_ROOT);',
        replace: "",
      },
    ],
    scenarios: ["nameless-files"],
  },
  {
    id: "nameless-file-leaks",
    breaks: "a file that was made without a name is no orphan, and a crash leaves it for ever",
    file: "engine/fs/namespace.js",
    edits: [
      {
        find: "storeInode(tx, what.inode, row);\n    putOrphan(tx, what.inode);",
        replace: "storeInode(tx, what.inode, row);",
      },
      { find: "tx.remove(Table.orphans, inode, 0, SNAPSHOT_ROOT);\n    }\n    touch", replace: "}\n    touch" },
    ],
    scenarios: ["nameless-files"],
  },
  {
    id: "whiteout-takes-an-entry",
    breaks: "a whiteout is not counted as an entry of its directory",
    file: "engine/fs/namespace.js",
    edits: [
      {
        find: "touch(tx, from.directory, now, 0, -sourceDirectory);",
        replace: "touch(tx, from.directory, now, -1, -sourceDirectory);",
      },
    ],
    scenarios: ["nameless-files"],
  },
  {
    id: "renamed-directory-keeps-parent",
    breaks: "a directory that moves still has its old parent",
    file: "engine/fs/namespace.js",
    edits: [{ find: "parent: isDirectory(row) ? parent : 0 }", replace: "parent: row.parent }" }],
    scenarios: ["deep-tree", "concurrent-names"],
  },
  {
    id: "rename-into-itself",
    breaks: "a directory may be moved below itself",
    file: "engine/fs/namespace.js",
    edits: [{ find: "if (sourceIsDirectory && isWithin(tx, to.directory, source.inode))", replace: "if (false)" }],
    scenarios: ["deep-tree", "concurrent-names"],
  },
  {
    id: "full-directory-removed",
    breaks: "rmdir takes a directory that has entries",
    file: "engine/fs/namespace.js",
    edits: [{ find: "if (directory && !isEmpty(tx, entry.inode))", replace: "if (false)" }],
    scenarios: ["concurrent-names", "concurrent-mixed"],
  },
  {
    id: "replaced-file-kept",
    breaks: "a file that a rename replaced keeps its link",
    file: "engine/fs/namespace.js",
    edits: [{ find: "return dropLink(tx, target.inode, now, what.isOpen);", replace: "return undefined;" }],
    scenarios: ["rename-replace", "concurrent-mixed"],
  },
  {
    id: "held-file-removed",
    breaks: "a file that is held and not opened goes with its last name",
    file: "engine/fs/changes.js",
    edits: [{ find: " || this.user.holds?.(inode) === true;", replace: ";" }],
    scenarios: ["held-files"],
  },
  {
    id: "held-file-not-opened",
    breaks: "a held file that lost its last name does not count as open",
    file: "engine/fs/changes.js",
    edits: [{ find: "isRegular(row)).opens++;", replace: "isRegular(row));" }],
    scenarios: ["held-files"],
  },
  {
    id: "link-not-counted",
    breaks: "a hard link does not raise the link count",
    file: "engine/fs/namespace.js",
    edits: [{ find: "links: row.links + 1, changed: now };", replace: "links: row.links, changed: now };" }],
    scenarios: ["hard-links", "concurrent-mixed"],
  },
  {
    id: "subdirectory-not-counted",
    breaks: "a new directory does not raise the link count of its parent",
    file: "engine/fs/namespace.js",
    edits: [
      {
        find: "touch(tx, place.directory, now, 1, directory ? 1 : 0, parent);",
        replace: "touch(tx, place.directory, now, 1, 0, parent);",
      },
    ],
    scenarios: ["concurrent-names", "concurrent-mixed"],
  },
  {
    id: "exchange-forgets-one-parent",
    breaks: "of two directories that are exchanged one keeps its parent",
    file: "engine/fs/namespace.js",
    edits: [{ find: "moved(tx, target.inode, from.directory, now);", replace: "" }],
    scenarios: ["deep-tree", "zoned/deep-tree"],
  },
  {
    id: "inode-number-reused",
    breaks: "inode numbers that were handed out before a crash are handed out again",
    file: "engine/fs/core.js",
    edits: [{ find: "const ceiling = inode + INODES_AHEAD;", replace: "const ceiling = inode;" }],
    scenarios: ["crash-in-recovery", "concurrent-mixed", "many-small-files"],
  },
  {
    id: "open-file-purged",
    breaks: "a file that loses its last name goes although it is open",
    file: "engine/fs/namespace.js",
    edits: [{ find: "if (!isOpen(inode) && removeRows(tx, inode))", replace: "if (removeRows(tx, inode))" }],
    scenarios: ["open-unlinked", "concurrent-mixed"],
  },
  {
    id: "long-xattr-leaves-rows",
    breaks: "an attribute of many rows leaves its last one behind",
    file: "engine/fs/xattr.js",
    edits: [
      {
        find: "for (let chunk = 0; chunk < rowsOf(slot); chunk++) {\n        tx.remove",
        replace: "for (let chunk = 0; chunk < Math.max(1, rowsOf(slot) - 1); chunk++) {\n        tx.remove",
      },
    ],
    scenarios: ["xattrs"],
  },
  {
    id: "xattrs-outlive-file",
    breaks: "the attributes of a file that is removed stay",
    file: "engine/fs/file-rows.js",
    edits: [
      {
        find: "while (budget > 0 && scan.next() && scan.inode === inode) {\n        tx.remove(Table.xattrs",
        replace: "while (false) {\n        tx.remove(Table.xattrs",
      },
    ],
    scenarios: ["xattrs"],
  },
  {
    id: "readdir-repeats-entry",
    breaks: "readdir shows the entry at its cookie once more",
    file: "engine/fs/directory.js",
    edits: [
      {
        find: "if (own > cookie && found.length < countMax)",
        replace: "if (own + 1 > cookie && found.length < countMax)",
      },
    ],
    scenarios: ["concurrent-names", "many-small-files", "concurrent-mixed"],
  },
  {
    id: "colliding-name-lost",
    breaks: "a name whose hash another one has replaces it",
    file: "engine/fs/directory.js",
    edits: [
      {
        find: "const all = [...names, { inode, type, slot, name: place.name }];",
        replace: "const all = [{ inode, type, slot, name: place.name }];",
      },
    ],
    scenarios: ["concurrent-names", "many-small-files", "concurrent-mixed"],
  },
  {
    id: "time-never-goes-back",
    breaks: "a file that is written keeps its time of modification if the clock says an earlier one",
    file: "engine/fs/file.js",
    edits: [
      {
        find: "state.modified = this.now();",
        replace:
          "{ const now = this.now(); if (state.modified === undefined || now.seconds >= state.modified.seconds) state.modified = now; }",
      },
    ],
    scenarios: ["clock-jumps", "zoned/clock-jumps"],
  },
  {
    id: "time-read-once",
    breaks: "the clock is read when the pool is opened, and time is reckoned from there",
    file: "engine/fs/core.js",
    edits: [
      {
        find: "const nanos = clock.currentTimeNanosUnsafe();",
        replace: "const nanos = clock.monotonicTimeNanosUnsafe();",
      },
    ],
    scenarios: ["clock-jumps", "zoned/clock-jumps"],
  },
];
