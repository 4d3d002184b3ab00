/**
 * A pool: formatting, opening with recovery, closing. The one place that wires the rooms of the engine together.
 *
 * Opening flushes the devices, reads superblock and journal, replays, and only then starts to write; a pool opened
 * read-only writes nothing at all. Closing writes everything back, empties the journal's tail into nodes and marks the
 * journal clean. Leaving the scope without closing stops the actors where they stand, as a kill would: nothing is lost
 * that was synced. A defect anywhere turns the pool read-only at once and completes `died`.
 */
import * as Clock from "effect/Clock";
import * as Deferred from "effect/Deferred";
import * as Effect from "effect/Effect";
import type * as Scope from "effect/Scope";
import type { Device, DeviceError } from "../../devices/device.ts";
import { PoolFailed } from "../actor.ts";
import { check, type CheckOptions, type CheckSubject } from "../check/check.ts";
import type { CheckReport } from "../check/findings.ts";
import { BucketIo, BucketLayout } from "../device/bucket-io.ts";
import { retrying } from "../device/retry.ts";
import { findSuperblock, type FoundSuperblock, SUPERBLOCK_BUCKETS, SuperblockLog } from "../device/superblock-log.ts";
import { Malformed } from "../format/malformed.ts";
import type { Superblock } from "../format/superblock.ts";
import type { AtOnce, Immediate } from "../fs/at-once.ts";
import { type FilesystemCore, makeFilesystemCore } from "../fs/core.ts";
import { offsetOfHash } from "../fs/directory.ts";
import { nameHash } from "../fs/names.ts";
import type { WrittenBytes, WrittenKind } from "../data/files.ts";
import { choiceOf, type CompressionChoice } from "../data/compression.ts";
import type { Compressor } from "../data/compressor.ts";
import type { MemoryLimits } from "../data/services.ts";
import type { Filesystem, FilesystemUser, FsError } from "../fs/types.ts";
import type { SurvivorLog } from "../journal/survivor-log.ts";
import { reached } from "../marks.ts";
import {
  DeviceFailed,
  NotAPool,
  NotTakenOver,
  PoolDamaged,
  type PoolError,
  UnsupportedVersion,
  WrongMembers,
} from "./errors.ts";
import { NO_JOURNAL, type RecoveredJournal, readJournal } from "./recovery.ts";
import {
  leavesWithin,
  makeRoomAfterRecovery,
  type Runtime,
  RUNTIME_OPTIONS,
  type RuntimeOptions,
  startRuntime,
  stopRuntime,
  supersedeRejected,
} from "./runtime.ts";
import { type FormatOptions, shapeFault, shapeOf } from "./shape.ts";
import { withJournalBucket } from "./journal-bucket.ts";
import { ofThisVersion } from "./this-version.ts";
import { type Survival, survivalOf, takeOver } from "./survival.ts";

export interface OpenOptions extends Partial<RuntimeOptions> {
  /** Memory that data waiting to be written may take. */
  readonly dirtyBytesMax?: number;
  /** Decoded extents kept for reading. */
  readonly readCacheBytes?: number;
  /** Commits are made durable at least this often; 0: only when asked. */
  readonly commitIntervalMs?: number;
  /** Dirty data is written at least this often; 0: only when asked or full. */
  readonly writebackIntervalMs?: number;
  /** Of new data, instead of what the pool was made with. */
  readonly compression?: CompressionChoice;
  /** Compresses it on other processors. */
  readonly compressor?: Compressor | undefined;
  /** Keeps what takes effect for the next process, and has what the one before kept. */
  readonly survivors?: SurvivorLog | undefined;
}

const DEFAULTS = {
  dirtyBytesMax: 64 * 1024 * 1024,
  readCacheBytes: 32 * 1024 * 1024,
  commitIntervalMs: 1000,
  writebackIntervalMs: 5000,
};

export interface Usage {
  readonly capacityBytes: number;
  readonly availableBytes: number;
  readonly liveBytes: number;
  readonly bucketBytes: number;
  readonly buckets: number;
  readonly freeBuckets: number;
  readonly journalBuckets: number;
  readonly journalFreeBuckets: number;
  readonly journalEntries: number;
  readonly flushes: number;
  readonly commits: number;
  readonly nodesWritten: number;
  readonly residentLeaves: number;
  readonly dirtyBytes: number;
  /** Memory that dirty data takes: more than its bytes where they are few and scattered. */
  readonly dirtyHeldBytes: number;
  readonly dirtyBytesMax: number;
  /** Bodies of transactions run, and nodes that had to be read for them: the others found all they needed. */
  readonly attempts: number;
  readonly nodesLoaded: number;
  readonly leavesMax: number;
  readonly dirtyNodes: number;
  readonly readCacheHits: number;
  readonly readCacheMisses: number;
  readonly readCacheBytes: number;
  readonly readCacheBytesMax: number;
  /** What was written back since the pool was opened, by how it was stored. */
  readonly written: ReadonlyMap<WrittenKind, WrittenBytes>;
}

export interface Pool {
  readonly superblock: Superblock;
  readonly filesystem: Filesystem;
  /**
   * A view of the filesystem that tells its user of the one moment, on the same stack, at which each operation called
   * through it takes effect; for fsync and syncfs, the moment at which they start.
   */
  readonly filesystemFor: (user: FilesystemUser) => Filesystem;
  /** The commonest calls, answered at once where nothing must be waited for; a user hears of them as of a view's. */
  readonly atOnceFor: (user: FilesystemUser) => AtOnce;
  /** The same for one request of a kernel that was not sent before; see `filesystemForRequest`. */
  readonly atOnceForRequest: (request: number, user: FilesystemUser) => AtOnce;
  /**
   * The same for one request of a kernel, by its number. If it is sent again to the process after this one, a view for
   * the same number does nothing twice. `SurvivorLog.answered` ends that.
   */
  readonly filesystemForRequest: (request: number, user?: FilesystemUser) => Filesystem;
  /** The pool goes on where a process before stopped: what was open then is open still. */
  readonly tookOver: boolean;
  /** The kernel knows of the inode no more: if a process before this one had opened it, it is open no longer. */
  readonly forgotten: (inode: number) => Effect.Effect<void, FsError>;
  /** Everything goes to the devices, so that any later version can go on from there. The pool must not be used after. */
  readonly handOver: Effect.Effect<void, FsError | PoolFailed>;
  /** Writes everything back and leaves the pool clean. The pool must not be used afterwards. */
  readonly close: Effect.Effect<void, FsError | PoolFailed | PoolError>;
  readonly usage: Effect.Effect<Usage>;
  /**
   * Runs all passes of the check but the journal's over what the pool holds now. Nothing may be changed meanwhile. What
   * is being moved out of zones that the device gave up is moved first; the collector waits until the check is through.
   */
  readonly check: (options?: CheckOptions) => Effect.Effect<CheckReport, PoolFailed>;
  /** Sets how much memory the pool may take from now on; what is over a limit goes as soon as it can. */
  readonly limitMemory: (limits: Partial<MemoryLimits> & { readonly nodeCacheBytes?: number }) => void;
  /** Completes with the cause when the pool has gone read-only. */
  readonly died: Effect.Effect<string>;
  /** The rooms inside, for check and inspection. */
  readonly runtime: Runtime;
}

const deviceFailed = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, Exclude<E, DeviceError> | DeviceFailed> =>
  Effect.mapError(effect, (error) =>
    isDeviceError(error) ? new DeviceFailed(error) : (error as Exclude<E, DeviceError>),
  );

function isDeviceError(error: unknown): error is DeviceError {
  const tag = (error as { _tag?: unknown })._tag;
  return tag === "MediumError" || tag === "DeviceGone" || tag === "ZoneViolation" || tag === "OutOfRange";
}

function bucketIo(devices: ReadonlyArray<Device>, bucketBytes: number): BucketIo {
  return new BucketIo(devices.map((device) => ({ device, layout: new BucketLayout(device, bucketBytes) })));
}

/** The superblock of the pool that the devices form. */
export function readSuperblock(devices: ReadonlyArray<Device>): Effect.Effect<Superblock, PoolError> {
  return Effect.map(findPool(devices), ({ superblock }) => superblock);
}

/** What can be said of a pool without opening it. */
export interface PoolState {
  readonly superblock: Superblock;
  /** It was closed in order: there is nothing to recover. */
  readonly clean: boolean;
  /** Journal entries that an opening replays. */
  readonly entriesToReplay: number;
}

/** Looks at a pool, writing nothing. */
export const readPoolState = Effect.fnUntraced(function* (
  devices: ReadonlyArray<Device>,
): Effect.fn.Return<PoolState, PoolError> {
  const { superblock } = yield* findPool(devices);
  const io = bucketIo(devices, superblock.bucketBytes);
  yield* deviceFailed(lookAtZones(io, true));
  const { last, entries } = yield* notMalformed(deviceFailed(readJournal(io, superblock)));
  const clean = last?.clean === true;
  return { superblock, clean, entriesToReplay: clean ? 0 : entries.length };
});

/** Finds the newest superblock of the pool that the devices form. */
const findPool = Effect.fnUntraced(function* (
  devices: ReadonlyArray<Device>,
): Effect.fn.Return<FoundSuperblock, PoolError> {
  const device = devices[0];
  if (device === undefined) return yield* Effect.fail(new WrongMembers("no device given"));
  const found = yield* deviceFailed(findSuperblock(device));
  if (found === "not a pool") return yield* Effect.fail(new NotAPool(device.name));
  if (found === "unsupported version") return yield* Effect.fail(new UnsupportedVersion(device.name));
  if (found === "damaged") {
    return yield* Effect.fail(new PoolDamaged(`no superblock on ${device.name} is whole`));
  }
  const { superblock } = found;
  if (superblock.members.length !== devices.length) {
    const wanted = superblock.members.length;
    return yield* Effect.fail(new WrongMembers(`the pool has ${wanted} devices, ${devices.length} were given`));
  }
  const { capacityBytes } = superblock.members[superblock.deviceIndex]!;
  if (device.geometry.capacityBytes < capacityBytes) {
    const is = device.geometry.capacityBytes;
    const what = `${device.name} is truncated: the pool has ${capacityBytes} bytes, ${is} are there`;
    return yield* Effect.fail(new PoolDamaged(what));
  }
  if (device.geometry.blockBytes > superblock.blockBytes) {
    const what = `${device.name} has blocks of ${device.geometry.blockBytes} bytes, the pool of ${superblock.blockBytes}`;
    return yield* Effect.fail(new WrongMembers(what));
  }
  const fault = shapeFault(superblock, device);
  if (fault !== undefined) {
    reached("lying superblock refused");
    return yield* Effect.fail(new PoolDamaged(`the superblock of ${device.name} cannot be: it tells of ${fault}`));
  }
  return found;
});

function runtimeOptions(options: OpenOptions): RuntimeOptions {
  return {
    readOnly: options.readOnly ?? RUNTIME_OPTIONS.readOnly,
    nodeCacheBytes: options.nodeCacheBytes ?? RUNTIME_OPTIONS.nodeCacheBytes,
    inlineAsks: options.inlineAsks ?? RUNTIME_OPTIONS.inlineAsks,
    treeLimits: options.treeLimits ?? RUNTIME_OPTIONS.treeLimits,
    checkpointChunks: options.checkpointChunks ?? RUNTIME_OPTIONS.checkpointChunks,
    survivors: options.survivors,
  };
}

/** Starts engine and filesystem; they stop with the scope. */
const start = Effect.fnUntraced(function* (
  io: BucketIo,
  superblock: Superblock,
  recovered: RecoveredJournal,
  options: OpenOptions,
  survival?: Survival,
): Effect.fn.Return<{ readonly runtime: Runtime; readonly core: FilesystemCore }, PoolFailed, Scope.Scope> {
  const { survivors } = options;
  const journal = survival === undefined ? recovered : { ...recovered, survivors: survival.commits };
  const runtime = yield* Effect.acquireRelease(
    startRuntime(io, superblock, journal, runtimeOptions(options)),
    stopRuntime,
  );
  if (survivors !== undefined && survival !== undefined) takeOver(survivors, runtime, recovered, survival);
  if (options.readOnly !== true) {
    yield* supersedeRejected(runtime, recovered);
    yield* makeRoomAfterRecovery(runtime);
  }
  const core = yield* makeFilesystemCore({
    transactor: runtime.btree,
    store: {
      append: (writeClass, pieces) =>
        (writeClass === "data" ? runtime.dataPoint : runtime.collectedPoint).append(pieces),
      hold: (placements) => runtime.hold(placements),
      release: (placements) => runtime.unhold(placements),
      read: (device, addressBytes, lengthBytes) => io.read(device, addressBytes, lengthBytes),
      readAtOnce: (device, addressBytes, lengthBytes) => io.readAtOnce(device, addressBytes, lengthBytes),
      reuse: (device, bytes) => io.reuse(device, bytes),
      bucketAround: (device, addressBytes) => {
        const { layout } = io.member(device);
        const fromBytes = layout.start(layout.bucketOf(addressBytes));
        return { fromBytes, lengthBytes: layout.usableBytes };
      },
      tailBytes: (writeClass) => (writeClass === "data" ? runtime.dataPoint : runtime.collectedPoint).tailBytes,
      bucketBytes: runtime.buckets.bucketUsableBytes,
    },
    space: runtime.space,
    hashSeed: superblock.hashSeed,
    directoryHashBits: superblock.directoryHashBits,
    compression: options.compression ?? choiceOf(superblock.compression),
    compressor: options.compressor,
    blockBytes: superblock.blockBytes,
    readOnly: options.readOnly ?? false,
    survivors,
    memory: {
      dirtyBytesMax: options.dirtyBytesMax ?? DEFAULTS.dirtyBytesMax,
      readCacheBytes: options.readCacheBytes ?? DEFAULTS.readCacheBytes,
    },
    background: (name, work) => runtime.supervisor.fork(name, work),
    failure: () => runtime.supervisor.failure,
  });
  runtime.collectExtents = (at) => {
    const { layout } = io.member(at.device);
    const from = layout.start(at.bucket);
    return core.collectBucket(at.device, from, from + layout.usableBytes);
  };
  return { runtime, core };
});

/** Rows that make no sense are damage, whoever came upon them. */
function notMalformed<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | PoolDamaged, R> {
  return Effect.catchDefect(effect, (defect): Effect.Effect<never, PoolDamaged> => {
    if (!(defect instanceof Malformed)) return Effect.die(defect);
    reached("malformed pool refused");
    return Effect.fail(new PoolDamaged(`the pool contradicts itself: ${defect.message}`));
  });
}

/** Everything goes to the devices; `newestBucket` of the superblock log holds the newest record, -1 if there is none. */
const closePool = Effect.fnUntraced(function* (
  runtime: Runtime,
  core: FilesystemCore,
  newestBucket: number,
): Effect.fn.Return<void, FsError | PoolFailed | PoolError> {
  const { writer, journal, ring, supervisor, io, superblock } = runtime;
  yield* core.writebackAll;
  yield* deviceFailed(
    Effect.mapError(writer.flushAll, (error) =>
      error._tag === "NoSpaceLeft" ? new PoolFailed("nodes cannot be written: no bucket is free") : error,
    ),
  );
  journal.markClean();
  yield* journal.settle;
  // The last entries of a journal vouch for one another alone: from here on their loss would be noticed.
  const journalEnd = { sequence: journal.durableSequence, epoch: journal.epoch };
  // A journal bucket that can no longer be written, and holds nothing that is needed, is one no more.
  const journalBuckets = ring.kept;
  if (journalBuckets.length < superblock.journalBuckets.length) reached("journal bucket dropped from the superblock");
  const record = { ...superblock, sequence: superblock.sequence + 1, journalEnd, journalBuckets };
  for (let device = 0; device < io.members.length; device++) {
    yield* deviceFailed(new SuperblockLog(io, device, newestBucket).write(record));
  }
  yield* deviceFailed(io.flush);
  yield* supervisor.stop;
});

/** Commits and dirty data become durable on their own after a while. */
function background(runtime: Runtime, core: FilesystemCore, options: OpenOptions): void {
  const commitMs = options.commitIntervalMs ?? DEFAULTS.commitIntervalMs;
  const writebackMs = options.writebackIntervalMs ?? DEFAULTS.writebackIntervalMs;
  const { supervisor, journal } = runtime;
  for (const zone of runtime.io.zoneWatch.losses) runtime.zoneLost(zone);
  const every = <E>(ms: number, work: Effect.Effect<void, E>): Effect.Effect<void> =>
    Effect.forever(
      Effect.andThen(
        Effect.sleep(ms),
        Effect.catch(work, () => Effect.void),
      ),
    );
  if (commitMs > 0) supervisor.fork("periodic commit", every(commitMs, journal.sync));
  if (writebackMs > 0) supervisor.fork("periodic writeback", every(writebackMs, core.writebackForAge));
}

/** Finishes what was under way. What somebody may have open still is left alone. */
const afterCrash = Effect.fnUntraced(function* (
  { journal }: Runtime,
  core: FilesystemCore,
  survivors: SurvivorLog | undefined,
  survival: Survival | undefined,
): Effect.fn.Return<void, FsError | PoolFailed> {
  if (survivors !== undefined && survival !== undefined) {
    // An entry of this epoch, so that nobody who used the pool meanwhile goes unnoticed.
    journal.gathering.forced = true;
    yield* journal.sync;
    if (survival.hot) yield* core.takeOver(survival.records);
    survivors.needed = () => Math.min(journal.loggedIn, core.loggedIn());
  }
  yield* core.resumeLoggedOperations;
  if (survival?.hot !== true) yield* core.cleanOrphans;
});

const handOver = Effect.fnUntraced(function* (
  { journal, supervisor }: Runtime,
  core: FilesystemCore,
  survivors: SurvivorLog | undefined,
): Effect.fn.Return<void, FsError | PoolFailed> {
  yield* core.writebackAll;
  yield* journal.settle;
  // Nodes that were being written are journalled too.
  while (journal.busy) yield* Effect.andThen(Effect.sleep(1), journal.settle);
  survivors?.settled(journal.end);
  yield* supervisor.stop;
});

/** What must be so before anything is journalled: the superblock as it stands then, and where. */
const readyToWrite = Effect.fnUntraced(function* (
  io: BucketIo,
  found: FoundSuperblock,
  recovered: RecoveredJournal,
  options: OpenOptions,
): Effect.fn.Return<FoundSuperblock, PoolError | PoolFailed> {
  const raised = yield* deviceFailed(ofThisVersion(io, found));
  return yield* notMalformed(deviceFailed(withJournalBucket(io, raised, recovered, runtimeOptions(options))));
});

/** Opens a pool. Leaving the scope without `close` stops it like a kill. */
export const openPool = Effect.fnUntraced(function* (
  devices: ReadonlyArray<Device>,
  options: OpenOptions = {},
): Effect.fn.Return<Pool, PoolError | PoolFailed, Scope.Scope> {
  const readOnly = options.readOnly ?? false;
  if (!readOnly) for (const device of devices) yield* deviceFailed(retrying(device.flush));
  const found = yield* findPool(devices);
  const io = bucketIo(devices, found.superblock.bucketBytes);
  yield* deviceFailed(lookAtZones(io, readOnly));
  const recovered = yield* deviceFailed(readJournal(io, found.superblock));
  const { survivors } = options;
  const survival = survivors === undefined ? undefined : survivalOf(survivors, recovered, found.superblock.uuid);
  if (typeof survival === "string") return yield* Effect.fail(new NotTakenOver(survival));
  const { superblock, bucket } = readOnly ? found : yield* readyToWrite(io, found, recovered, options);
  const { runtime, core } = yield* notMalformed(start(io, superblock, recovered, options, survival));
  if (!readOnly) {
    yield* Effect.mapError(afterCrash(runtime, core, survivors, survival), (error) =>
      error._tag === "FsError"
        ? new PoolDamaged(`cleaning up after a crash failed: ${error.reason} ${error.detail}`)
        : error,
    );
    background(runtime, core, options);
  }
  const zones = io.zoneWatch.losses;
  if (zones.some(({ loss }) => loss === "offline")) reached("pool opened with a zone offline");
  else if (zones.length > 0) reached("pool opened with a zone read-only");
  const died = Deferred.makeUnsafe<string>();
  const { btree, trees, loader } = runtime;
  const subject: CheckSubject = {
    transactor: btree,
    trees,
    fetchNode: (node) => loader.fetch(node),
    io,
    superblock,
    journal: [],
    offsetOfName: (name) => offsetOfHash(nameHash(name, superblock.hashSeed, superblock.directoryHashBits)),
  };
  runtime.supervisor.onFailure(({ detail }) => {
    Deferred.doneUnsafe(died, Effect.succeed(detail));
  });
  const immediate: Immediate = { peek: (body) => btree.peek(body), now: (body) => btree.now(body) };
  return {
    superblock,
    filesystem: core.filesystem,
    filesystemFor: core.filesystemFor,
    atOnceFor: (user) => core.atOnceFor(immediate, user),
    atOnceForRequest: (request, user) => core.atOnceForRequest(immediate, request, user),
    filesystemForRequest: core.filesystemForRequest,
    tookOver: survival?.hot === true,
    forgotten: core.forgotten,
    handOver: handOver(runtime, core, survivors),
    close: readOnly ? runtime.supervisor.stop : closePool(runtime, core, bucket),
    usage: Effect.sync(() => usageOf(runtime, core)),
    check: (checkOptions) =>
      Effect.andThen(runtime.space.settled, runtime.space.undisturbed(check(subject, checkOptions))),
    limitMemory: ({ nodeCacheBytes, ...data }) => {
      if (nodeCacheBytes !== undefined) {
        trees.leavesMax = leavesWithin(nodeCacheBytes);
        trees.evict();
      }
      core.limitMemory(data);
    },
    died: Deferred.await(died),
    runtime,
  };
});

function usageOf(runtime: Runtime, core: FilesystemCore): Usage {
  const { superblock, buckets, ring, journal, btree, writer, trees, loader, space } = runtime;
  const memory = core.memory();
  const readCache = core.readCache();
  return {
    capacityBytes: buckets.capacityBytes,
    availableBytes: space.availableBytes(),
    liveBytes: buckets.liveBytes,
    bucketBytes: superblock.bucketBytes,
    buckets: buckets.bucketCount,
    freeBuckets: buckets.freeCount,
    journalBuckets: ring.buckets,
    journalFreeBuckets: ring.freeBuckets,
    journalEntries: journal.entriesWritten,
    flushes: journal.flushes,
    commits: btree.commits,
    nodesWritten: writer.nodesWritten,
    residentLeaves: trees.residentLeaves,
    dirtyBytes: core.dirtyBytes(),
    dirtyHeldBytes: core.dirtyHeldBytes(),
    dirtyBytesMax: memory.dirtyBytesMax,
    attempts: btree.attempts,
    nodesLoaded: loader.loads,
    leavesMax: trees.leavesMax,
    dirtyNodes: trees.dirty.count,
    readCacheHits: readCache.hits,
    readCacheMisses: readCache.misses,
    readCacheBytes: readCache.bytes,
    readCacheBytesMax: memory.readCacheBytes,
    written: core.written(),
  };
}

/**
 * Makes a pool on the devices; whatever they held is lost. The superblock is written last: until it is durable there
 * is no pool.
 */
export function formatPool(
  devices: ReadonlyArray<Device>,
  options: FormatOptions,
): Effect.Effect<void, PoolError | PoolFailed | FsError> {
  return Effect.scoped(
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis;
      const lost = yield* deviceFailed(lostZones(devices));
      const shaped = shapeOf(devices, options, Math.floor(now / 1000), lost);
      if ("_tag" in shaped) return yield* Effect.fail(shaped);
      const io = bucketIo(devices, shaped.bucketBytes);
      yield* deviceFailed(lookAtZones(io, false));
      const sequence = yield* deviceFailed(forgetOldPool(io));
      const superblock = { ...shaped, sequence };
      const { runtime, core } = yield* start(io, superblock, NO_JOURNAL, {});
      yield* core.initialiseRoot;
      yield* closePool(runtime, core, -1);
    }),
  );
}

/**
 * Learns which zones the devices have given up. Those that an earlier run left partly written count against the limit
 * of active ones, and are never continued, since what lies at their write pointers may be torn: they are finished.
 */
const lookAtZones = Effect.fnUntraced(function* (io: BucketIo, readOnly: boolean): Effect.fn.Return<void, DeviceError> {
  for (let device = 0; device < io.members.length; device++) {
    for (const { zone, state } of yield* io.zoneWatch.report(device)) {
      if (state !== "open" && state !== "closed") continue;
      io.zoneWatch.noteLeftOpen(device, zone);
      if (readOnly || zone < SUPERBLOCK_BUCKETS) continue;
      reached("partly written zone finished");
      yield* io.finish(device, zone);
    }
  }
});

/** The zones that each device has given up. */
function lostZones(devices: ReadonlyArray<Device>): Effect.Effect<ReadonlyArray<ReadonlySet<number>>, DeviceError> {
  return Effect.forEach(devices, ({ zones }) => {
    if (zones === undefined) return Effect.succeed(new Set<number>());
    return Effect.map(zones.report, (reports) => {
      const lost = reports.filter(({ state }) => state === "read-only" || state === "offline");
      return new Set(lost.map(({ zone }) => zone));
    });
  });
}

/** Empties the superblock buckets; returns a sequence above that of any superblock that was there. */
const forgetOldPool = Effect.fnUntraced(function* (io: BucketIo): Effect.fn.Return<number, DeviceError> {
  let sequence = 1;
  for (let device = 0; device < io.members.length; device++) {
    const { device: disk, layout } = io.member(device);
    const found = yield* findSuperblock(disk);
    if (typeof found !== "string") sequence = Math.max(sequence, found.superblock.sequence + 1);
    for (let bucket = 0; bucket < SUPERBLOCK_BUCKETS; bucket++) {
      yield* io.reset(device, bucket);
      if (disk.geometry.zones !== undefined) continue;
      // A discard promises nothing about what is read afterwards.
      const zeros = new Uint8Array(Math.min(layout.bucketBytes, 128 * 1024));
      yield* io.write(device, layout.start(bucket), zeros);
    }
  }
  yield* io.flush;
  return sequence;
});
