/**
 * Planted bugs of what outlives a process: keeping it, letting go of it, and taking over.
 */
import type { Mutant } from "./mutant.ts";

const PROCESSES = ["process-crash", "process-crash-data", "zoned/process-crash", "zoned/process-crash-data"];

export const survivorMutants: ReadonlyArray<Mutant> = [
  {
    id: "survivors-kept-late",
    breaks: "what takes effect is kept only when the next thing does, and is acknowledged before that",
    file: "engine/journal/survivor-log.js",
    edits: [
      { find: "if (!this.frame.empty)\n            this.append();", replace: "" },
      {
        find: "this.building = true;\n        this.frame.begin();",
        replace:
          "this.building = true;\n        if (this.frame.bytes > 24) this.append();\n        this.frame.begin();",
      },
    ],
    scenarios: PROCESSES,
  },
  {
    id: "handover-forgets-requests",
    breaks: "a process that hands over says that nothing is needed any more, though requests may be sent again",
    file: "engine/journal/survivor-log.js",
    edits: [
      {
        find: "if (this.inherited.size > 0)\n            return reached(",
        replace: "if (false)\n            return reached(",
      },
    ],
    scenarios: PROCESSES,
  },
  {
    id: "gone-inode-denied",
    breaks: "a change that took effect is denied when it is asked for again, if the inode is gone since",
    file: "engine/fs/resumed.js",
    edits: [{ find: 'error.reason !== "NoEntry" || mode === 0', replace: "true" }],
    scenarios: ["process-crash"],
  },
  {
    id: "survivors-dropped-early",
    breaks: "a segment is given up though it holds data that is in no row",
    file: "engine/pool/pool.js",
    edits: [{ find: "Math.min(journal.loggedIn, core.loggedIn())", replace: "journal.loggedIn" }],
    scenarios: PROCESSES,
  },
  {
    id: "commits-dropped-early",
    breaks: "a segment is given up though it holds commits that are in no written entry",
    file: "engine/pool/pool.js",
    edits: [{ find: "Math.min(journal.loggedIn, core.loggedIn())", replace: "core.loggedIn()" }],
    scenarios: PROCESSES,
  },
  {
    id: "content-taken-over-backwards",
    breaks: "changes of a file's content are taken over in the wrong order",
    file: "engine/fs/take-over.js",
    edits: [{ find: "for (const record of logged)", replace: "for (const record of [...logged].reverse())" }],
    scenarios: PROCESSES,
  },
  {
    id: "cut-not-kept",
    breaks: "the log does not say that a file was cut, so that what was cut off comes back",
    file: "engine/fs/ranges.js",
    edits: [{ find: "survivors?.change(inode, size, Number.MAX_SAFE_INTEGER, size);", replace: "commits;" }],
    scenarios: PROCESSES,
  },
  {
    id: "request-done-twice",
    breaks: "a request that is sent again is done again",
    file: "engine/fs/core.js",
    edits: [{ find: "return steps === undefined ? view :", replace: "return true ? view :" }],
    scenarios: PROCESSES,
  },
  {
    id: "change-at-once-not-known",
    breaks: "the next process does not know what was changed at once, and does it again",
    file: "engine/fs/core.js",
    edits: [
      {
        find: "new AtOnce(parts, requesting(request, user), immediate)",
        replace: "new AtOnce(parts, user, immediate)",
      },
    ],
    scenarios: PROCESSES,
  },
  {
    id: "taken-over-space-reused",
    breaks: "what the commits that were taken over made free is used again before they are durable",
    file: "engine/pool/survival.js",
    edits: [{ find: "if (table === Table.alloc && level === 0)", replace: "if (false)" }],
    scenarios: ["process-crash-data"],
  },
  {
    id: "orphans-reaped-while-open",
    breaks: "a process that takes over removes files without names that are open",
    file: "engine/pool/pool.js",
    edits: [{ find: "if (survival?.hot !== true)", replace: "if (true)" }],
    scenarios: PROCESSES,
  },
];
