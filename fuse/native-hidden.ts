/**
 * Files that lost their last name while open: libfuse's high-level interface cannot say so, we undo its way around.
 *
 * Before it unlinks or replaces a file that is open, libfuse renames it to `.fuse_hidden` and sixteen digits in the
 * same directory, and unlinks that when the file is closed. Here such a rename removes the name for good and keeps the
 * inode by an `open`; the hidden name lives in memory alone, so no directory ever shows it and a crash leaves nothing
 * but an orphan that the engine frees.
 *
 * A rename over an open file arrives as two: first the hiding, then the rename proper from the same thread. So that
 * the replacement stays atomic on disk, the removal after a hiding is *pending* for a moment: the rename that follows
 * takes it over; any other request of that thread, or the end of the moment, carries it out. Requests of others that
 * depend on names wait until it is settled. The moment lasts until this process has twice been scheduled in time: on a
 * machine so busy that our own timers come late, the thread that is to rename may not have run at all. A rename that
 * comes later still finds its target gone; it must then write its data first, or a crash could leave an empty file.
 */
import * as Deferred from "effect/Deferred";
import * as Effect from "effect/Effect";
import type { FsError } from "../engine/fs/types.ts";
import { type Fs } from "../engine/fs/types.ts";
import type { Request } from "./native-binding.ts";
import type { Place } from "./native-paths.ts";
import type { Operations } from "./operations.ts";

const HIDDEN = /^\.fuse_hidden[0-9a-f]{16}$/;
/** How often we look whether the rename has followed its hiding. */
const LOOK_EVERY_MS = 4;
/** A look that comes later than this says that the machine is too busy to tell. */
const LATE_LOOK_MS = 10;
const LOOKS_IN_TIME = 2;
const FOLLOWS_WITHIN_MS_MAX = 1000;

interface Pending {
  readonly request: Request;
  readonly place: Place;
  readonly settled: Deferred.Deferred<void>;
  /** Someone has begun to settle it. */
  taken: boolean;
}

const leaf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
const directory = (path: string): string => path.slice(0, path.lastIndexOf("/"));

/** Is this rename libfuse's way of hiding an open file? */
export const isHiding = (source: string, destination: string): boolean =>
  HIDDEN.test(leaf(destination)) && !HIDDEN.test(leaf(source)) && directory(source) === directory(destination);

function samePlace(a: Place, b: Place): boolean {
  return a.parent === b.parent && a.name.length === b.name.length && a.name.every((byte, at) => byte === b.name[at]);
}

export class HiddenFiles {
  private readonly operations: Operations;
  private readonly later: (effect: Effect.Effect<void>) => void;
  private readonly failed: (error: FsError) => void;
  private readonly inodes: Map<string, number> = new Map();
  private pending: Pending | undefined;
  /** Names that threads hid and that were then removed, since no rename had followed. */
  private readonly expired: WeakMap<Request, Place> = new WeakMap();

  /** `later` runs an effect on its own; `failed` hears of a removal that had been acknowledged and then failed. */
  constructor(operations: Operations, later: (effect: Effect.Effect<void>) => void, failed: (error: FsError) => void) {
    this.operations = operations;
    this.later = later;
    this.failed = failed;
  }

  /** Inode behind a path that ends in a hidden name. */
  inodeOf(path: string): number | undefined {
    return this.inodes.size === 0 ? undefined : this.inodes.get(leaf(path));
  }

  /** Takes the name at `place` away from its open inode; to be found under the hidden path until `drop`. */
  hide(request: Request, place: Place, inode: number, hiddenPath: string): Fs<void> {
    const pend = (): Fs<void> => {
      this.inodes.set(leaf(hiddenPath), inode);
      const pending: Pending = { request, place, settled: Deferred.makeUnsafe(), taken: false };
      this.pending = pending;
      this.expired.delete(request);
      this.look(pending, performance.now(), 0);
      return Effect.void;
    };
    return Effect.flatMap(this.operations.open(inode, 0), () => this.settled(request, pend));
  }

  /** Waits for the rename that may follow; when there is none, carries the removal out. */
  private look(pending: Pending, begunMs: number, inTime: number): void {
    const askedMs = performance.now();
    const due = (): void => {
      if (pending.taken) return;
      const nowMs = performance.now();
      const looks = nowMs - askedMs <= LATE_LOOK_MS ? inTime + 1 : 0;
      if (looks < LOOKS_IN_TIME && nowMs - begunMs < FOLLOWS_WITHIN_MS_MAX) return this.look(pending, begunMs, looks);
      this.expired.set(pending.request, pending.place);
      this.later(this.removeName(pending));
    };
    // Requests that have come meanwhile are taken in before.
    setTimeout(() => setImmediate(due), LOOK_EVERY_MS).unref();
  }

  /** Was this name hidden by the same thread, and removed because the rename that follows was so late? Asked once. */
  cameLate(request: Request, destination: Place): boolean {
    const place = this.expired.get(request);
    this.expired.delete(request);
    return place !== undefined && samePlace(place, destination);
  }

  /** Runs `then`, which depends on names, once no removal is pending. */
  settled<A, E>(request: Request, then: () => Effect.Effect<A, E>): Effect.Effect<A, E> {
    const { pending } = this;
    if (pending === undefined) return then();
    const wait = pending.request === request ? this.removeName(pending) : Deferred.await(pending.settled);
    return Effect.flatMap(wait, () => this.settled(request, then));
  }

  /**
   * If this is the rename that follows a hiding, takes the pending removal over: the rename replaces the name. The
   * caller reports by `finish` when it is done.
   */
  takeOver(request: Request, destination: Place): { readonly finish: Effect.Effect<void> } | undefined {
    const { pending } = this;
    if (pending === undefined || pending.taken || pending.request !== request) return undefined;
    if (!samePlace(pending.place, destination)) return undefined;
    pending.taken = true;
    return { finish: Effect.sync(() => this.finish(pending)) };
  }

  /** The file under this hidden path was closed for the last time. */
  drop(path: string): Fs<void> | undefined {
    const inode = this.inodeOf(path);
    if (inode === undefined) return undefined;
    this.inodes.delete(leaf(path));
    return this.operations.release(inode);
  }

  /** The inode has no handle any more: whatever hid it is over, though its directory may be gone. */
  closed(inode: number): Fs<void> | undefined {
    if (this.inodes.size === 0) return undefined;
    for (const [name, hidden] of this.inodes) if (hidden === inode) return this.drop(`/${name}`);
    return undefined;
  }

  /** Inodes that are held. */
  all(): ReadonlyArray<number> {
    return [...this.inodes.values()];
  }

  private removeName(pending: Pending): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (pending.taken) return Deferred.await(pending.settled);
      pending.taken = true;
      const { parent, name } = pending.place;
      const removed = Effect.catch(this.operations.unlink(parent, name), (error) =>
        Effect.sync(() => this.failed(error)),
      );
      return Effect.ensuring(
        removed,
        Effect.sync(() => this.finish(pending)),
      );
    });
  }

  private finish(pending: Pending): void {
    if (this.pending === pending) this.pending = undefined;
    Deferred.doneUnsafe(pending.settled, Effect.void);
  }
}
