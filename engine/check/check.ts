/**
 * The whole check: every pass, in the order in which they build on one another. Reports, repairs nothing.
 *
 * Works on a pool at rest. Passes over tables run only when the trees could be read as a whole, for with rows missing
 * they would only repeat that in other words.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import type { Transactor } from "../btree/transaction.ts";
import type { Trees } from "../btree/trees.ts";
import type { BucketIo } from "../device/bucket-io.ts";
import { SUPERBLOCK_BUCKETS } from "../device/superblock-log.ts";
import type { JournalEntry } from "../format/journal-entry.ts";
import type { Superblock } from "../format/superblock.ts";
import { checkAllocation, checkCounters, checkNodePlaces } from "./allocation.ts";
import { checkBackpointers } from "./backpointers.ts";
import { checkBtrees, type FetchNode, nodePlaces } from "./btrees.ts";
import { checkData } from "./data.ts";
import { checkDirectoryRows, checkLinks, checkReachability } from "./directories.ts";
import { checkExtents } from "./extents.ts";
import { type CheckReport, Findings } from "./findings.ts";
import { checkInodeNumbers, checkInodes } from "./inodes.ts";
import { checkJournal } from "./journal.ts";
import { checkLoggedOperations, checkOrphanRows, checkPendingInodes, checkUnusedTables } from "./pending.ts";
import { type CheckState, checkState, type NodePlace, type Places } from "./state.ts";
import { checkSuperblocks } from "./superblocks.ts";
import { checkXattrs } from "./xattrs.ts";
import { checkZones } from "./zones.ts";

export interface CheckSubject {
  readonly transactor: Transactor;
  readonly trees: Trees;
  readonly fetchNode: FetchNode;
  readonly io: BucketIo;
  readonly superblock: Superblock;
  /** What recovery replayed. */
  readonly journal: ReadonlyArray<JournalEntry>;
  /** Offset at which a name belongs in its directory. */
  readonly offsetOfName: (name: Uint8Array) => number;
}

export interface CheckOptions {
  /** Also read and verify all stored data. */
  readonly data?: boolean;
  /** Told of each pass as it begins. */
  readonly progress?: (pass: string) => void;
}

/** Addresses as the superblock and the devices have them. */
export function placesOf(io: BucketIo, superblock: Superblock): Places {
  const journal = new Set(superblock.journalBuckets.map(({ device, bucket }) => `${device}:${bucket}`));
  return {
    devices: io.members.length,
    bucketCount: (device) => superblock.members[device]!.buckets,
    bucketOf: (device, addressBytes) => io.member(device).layout.bucketOf(addressBytes),
    bytesBehind: (device, addressBytes) => {
      const { layout } = io.member(device);
      return layout.start(layout.bucketOf(addressBytes)) + layout.usableBytes - addressBytes;
    },
    isReserved: (device, bucket) => bucket < SUPERBLOCK_BUCKETS || journal.has(`${device}:${bucket}`),
  };
}

/** The passes over tables alone. */
export const checkTables = Effect.fnUntraced(function* (
  state: CheckState,
  nodes: Iterable<NodePlace>,
  progress: (pass: string) => void = () => {},
): Effect.fn.Return<void, PoolFailed> {
  progress("inodes");
  yield* checkOrphanRows(state);
  yield* checkLoggedOperations(state);
  yield* checkUnusedTables(state);
  yield* checkInodes(state);
  yield* checkInodeNumbers(state);
  checkPendingInodes(state);
  progress("directories");
  yield* checkDirectoryRows(state);
  checkLinks(state);
  checkReachability(state);
  progress("extents");
  yield* checkExtents(state);
  yield* checkXattrs(state);
  progress("allocation");
  checkNodePlaces(state, nodes);
  yield* checkAllocation(state);
  yield* checkBackpointers(state);
  yield* checkCounters(state);
});

export const check = Effect.fnUntraced(function* (
  subject: CheckSubject,
  options: CheckOptions = {},
): Effect.fn.Return<CheckReport, PoolFailed> {
  const { transactor, trees, io, superblock } = subject;
  const progress = options.progress ?? (() => {});
  const findings = new Findings();
  const state = checkState(transactor, findings, placesOf(io, superblock), subject.offsetOfName);
  progress("superblocks");
  yield* checkSuperblocks(findings, io, superblock);
  checkJournal(findings, subject.journal);
  progress("btrees");
  const whole = yield* checkBtrees(findings, trees, subject.fetchNode);
  if (!whole) {
    findings.found("btrees", "not all nodes can be read: the tables were not checked");
    return findings.report;
  }
  yield* checkTables(state, nodePlaces(trees), progress);
  checkZones(state, io);
  if (options.data === true) {
    progress("data");
    yield* checkData(state, io);
  }
  return findings.report;
});
