/**
 * The filesystem of an open pool: wires files and namespace to the engine, and hands out views of it.
 *
 * Owns the supply of inode numbers: a row says up to which number they may be in use; numbers are handed out from
 * memory, a thousand ahead of that row, so a crash skips numbers and never reuses one.
 */
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import type { Transaction } from "../btree/transaction.ts";
import { collectExtents } from "../data/collector.ts";
import type { WrittenBytes, WrittenKind } from "../data/files.ts";
import type { EngineServices, MemoryLimits } from "../data/services.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import { COUNTER_BYTES, Counter, decodeCounter, encodeCounter } from "../format/values/counter.ts";
import type { SurvivorRecord } from "../format/survivor-frame.ts";
import { reached } from "../marks.ts";
import { AtOnce, type Immediate } from "./at-once.ts";
import { FileOperations } from "./file.ts";
import type { FileFailure } from "./file-access.ts";
import { View } from "./filesystem.ts";
import { loadInode, newInode, storeInode } from "./inode.ts";
import { resumed } from "./resumed.ts";
import { takeOver } from "./take-over.ts";
import {
  FileType,
  type Filesystem,
  type FilesystemUser,
  type Fs,
  FsError,
  ROOT_INODE,
  type Timestamp,
} from "./types.ts";

/** Who wants to know nothing. */
const NOBODY: FilesystemUser = { linearized: () => {} };
const INODES_AHEAD = 1024;

export interface FilesystemCore {
  readonly filesystem: Filesystem;
  readonly filesystemFor: (user: FilesystemUser) => Filesystem;
  /** Calls that need not wait, of a pool whose transactions can be run at once. */
  readonly atOnceFor: (immediate: Immediate, user: FilesystemUser) => AtOnce;
  readonly atOnceForRequest: (immediate: Immediate, request: number, user: FilesystemUser) => AtOnce;
  /** The same for a request that may be sent again to the next process. */
  readonly filesystemForRequest: (request: number, user?: FilesystemUser) => Filesystem;
  /** Brings back what a process before this one had in memory alone. */
  readonly takeOver: (records: ReadonlyArray<SurvivorRecord>) => Effect.Effect<void, FileFailure>;
  /** The kernel knows of the inode no more. */
  readonly forgotten: (inode: number) => Effect.Effect<void, FsError>;
  /** The first segment of the survivors that holds data which is in no row. */
  readonly loggedIn: () => number;
  readonly writebackAll: Effect.Effect<void, FsError>;
  readonly writebackForAge: Effect.Effect<void, FsError>;
  /** Removes what was unlinked while open when the pool stopped. */
  readonly cleanOrphans: Effect.Effect<void, FileFailure>;
  readonly resumeLoggedOperations: Effect.Effect<void, FileFailure>;
  /** Copies the live extents of [from, to) of a device elsewhere. */
  readonly collectBucket: (device: number, from: number, to: number) => Effect.Effect<number, PoolFailed>;
  /** Makes the root directory of a new pool. */
  readonly initialiseRoot: Effect.Effect<void, PoolFailed>;
  readonly dirtyBytes: () => number;
  /** Memory that dirty data takes. */
  readonly dirtyHeldBytes: () => number;
  readonly memory: () => Readonly<MemoryLimits>;
  readonly limitMemory: (limits: Partial<MemoryLimits>) => void;
  readonly readCache: () => { readonly hits: number; readonly misses: number; readonly bytes: number };
  readonly written: () => ReadonlyMap<WrittenKind, WrittenBytes>;
}

/** Hands out inode numbers. */
export class InodeNumbers {
  private next: number;
  private ceiling: number;

  constructor(ceiling: number) {
    this.next = ceiling;
    this.ceiling = ceiling;
  }

  take(): number {
    return this.next++;
  }

  /** Inside the transaction that uses a number: makes sure that the row on disk covers it. */
  cover(tx: Transaction, inode: number): void {
    if (inode < this.ceiling) return;
    reached("inode numbers set aside");
    const ceiling = inode + INODES_AHEAD;
    tx.put(Table.subvolumes, ROOT_INODE, 0, SNAPSHOT_ROOT, COUNTER_BYTES);
    encodeCounter(tx.out, tx.outAt, ceiling);
    tx.onCommit(() => {
      this.ceiling = Math.max(this.ceiling, ceiling);
    });
  }
}

function readCounter(tx: Transaction, table: number, inode: number, otherwise: number): number {
  return tx.find(table, inode, 0, SNAPSHOT_ROOT) ? decodeCounter(tx.view, tx.at, tx.length) : otherwise;
}

const toFs = (effect: Effect.Effect<void, FileFailure>): Fs<void> =>
  Effect.mapError(effect, (error) => (error._tag === "FsError" ? error : new FsError("InputOutput", error.detail)));

export function makeFilesystemCore(services: EngineServices): Effect.Effect<FilesystemCore, PoolFailed> {
  return Effect.gen(function* () {
    const clock = yield* Clock.Clock;
    const now = (): Timestamp => {
      // One reading for both parts: between two, a second may have begun.
      const nanos = clock.currentTimeNanosUnsafe();
      const nanoseconds = Number(nanos % 1_000_000_000n);
      const seconds = Number((nanos - BigInt(nanoseconds)) / 1_000_000_000n);
      return nanoseconds < 0 ? { seconds: seconds - 1, nanoseconds: nanoseconds + 1e9 } : { seconds, nanoseconds };
    };
    const files = new FileOperations(services, now);
    const { transactor } = services;
    const ceiling = yield* transactor.transact<number, never>((tx) =>
      readCounter(tx, Table.subvolumes, ROOT_INODE, ROOT_INODE + 1),
    );
    const numbers = new InodeNumbers(ceiling);
    const inodeCount: Fs<number> = Effect.mapError(
      transactor.transact<number, never>((tx) => readCounter(tx, Table.accounting, Counter.inodes, 0)),
      (error) => new FsError("InputOutput", error.detail),
    );
    const parts = { services, files, numbers, now, inodeCount };
    /** A user of whose request the next process must know what took effect. */
    const requesting = (request: number, user: FilesystemUser = NOBODY): FilesystemUser => ({
      linearized: (number = 0) => {
        services.survivors?.effectOf(request, number);
        user.linearized();
      },
      holds: (inode) => user.holds?.(inode) === true,
      orphaned: (inode) => user.orphaned?.(inode),
    });
    return {
      filesystem: new View(parts, NOBODY),
      filesystemFor: (user) => new View(parts, user),
      atOnceFor: (immediate, user) => new AtOnce(parts, user, immediate),
      atOnceForRequest: (immediate, request, user) => new AtOnce(parts, requesting(request, user), immediate),
      filesystemForRequest: (request, user) => {
        const view = new View(parts, requesting(request, user));
        const steps = services.survivors?.stepsOf(request);
        return steps === undefined ? view : resumed(view, new View(parts, NOBODY), steps);
      },
      takeOver: (records) => takeOver(files, ceiling, records),
      forgotten: (inode) => toFs(files.forgotten(inode)),
      loggedIn: () => files.files.loggedIn,
      writebackAll: toFs(files.writebackAll),
      writebackForAge: toFs(files.writebackForAge),
      cleanOrphans: cleanOrphans(services, files),
      resumeLoggedOperations: files.ranges.resumeLoggedOperations,
      collectBucket: (device, from, to) => collectExtents(services, files.reader, device, from, to),
      initialiseRoot: transactor.transact<void, never>((tx) => {
        if (loadInode(tx, ROOT_INODE) !== undefined) return;
        const owner = { uid: 0, gid: 0 };
        storeInode(tx, ROOT_INODE, newInode(FileType.directory | 0o755, owner, 0, now(), 2, ROOT_INODE));
      }),
      dirtyBytes: () => files.files.dirtyBytes,
      dirtyHeldBytes: () => files.files.memory.heldBytes,
      memory: () => services.memory,
      limitMemory: (limits) => {
        Object.assign(services.memory, limits);
        files.reader.stored.cache.trim();
        files.files.memory.trim();
      },
      readCache: () => files.reader.stored.cache,
      written: () => files.files.written,
    };
  });
}

function cleanOrphans(services: EngineServices, files: FileOperations): Effect.Effect<void, FileFailure> {
  return Effect.gen(function* () {
    const orphans = yield* services.transactor.transact<Array<number>, never>((tx) => {
      const found: Array<number> = [];
      const scan = tx.scan(Table.orphans, 0, 0, 0);
      while (scan.next()) found.push(scan.inode);
      return found;
    });
    for (const inode of orphans) {
      reached("orphan removed");
      yield* files.purge(inode);
    }
  });
}
