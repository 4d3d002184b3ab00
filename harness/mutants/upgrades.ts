/**
 * Planted bugs of the way from an earlier version of the format to this one.
 */
import type { Mutant } from "./mutant.ts";

const SCENARIOS = ["earlier-version", "zoned/earlier-version"];

export const upgradeMutants: ReadonlyArray<Mutant> = [
  {
    id: "upgrade-not-flushed",
    breaks: "the second record of a pool that is raised is written before the first one is durable",
    file: "engine/pool/this-version.js",
    edits: [{ find: "yield* io.flush;", replace: "if (sequence === last) yield* io.flush;" }],
    scenarios: SCENARIOS,
  },
  {
    id: "upgrade-never-flushed",
    breaks: "what is written to a pool that was raised may be durable before the superblock says so",
    file: "engine/pool/this-version.js",
    edits: [{ find: "yield* io.flush;", replace: "if (sequence !== last) yield* io.flush;" }],
    scenarios: SCENARIOS,
  },
  {
    id: "upgrade-in-place",
    breaks: "a pool is raised by writing over the newest record first",
    file: "engine/pool/this-version.js",
    edits: [
      {
        find: "found.superblock.deviceIndex, found.bucket)",
        replace: "found.superblock.deviceIndex, 1 - found.bucket)",
      },
    ],
    scenarios: SCENARIOS,
  },
  {
    id: "upgrade-of-one-bucket",
    breaks: "a pool that is raised keeps a record of the earlier version, which an earlier program believes",
    file: "engine/pool/this-version.js",
    edits: [{ find: "found.superblock.sequence + SUPERBLOCK_BUCKETS", replace: "found.superblock.sequence + 1" }],
    scenarios: SCENARIOS,
  },
  {
    id: "upgrade-left-half-done",
    breaks: "a pool that a crash left between two versions counts as raised",
    file: "engine/pool/this-version.js",
    edits: [{ find: "if (found.versionMin === version)", replace: "if (found.superblock.version === version)" }],
    scenarios: SCENARIOS,
  },
  {
    id: "torn-hides-later-version",
    breaks: "a pool of a later version is called damaged when a crash tore one of its superblocks",
    file: "engine/device/superblock-log.js",
    edits: [{ find: "fault = moreTelling(fault, newest);", replace: 'if (fault === "not a pool") fault = newest;' }],
    scenarios: ["earlier-version"],
  },
];
