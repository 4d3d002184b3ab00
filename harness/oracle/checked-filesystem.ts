/**
 * The live check: a view of the engine's filesystem for one client, every answer of which is held against the model.
 *
 * The engine calls `linearized` synchronously at the moment at which an operation takes effect; then the model applies
 * it, so the model's order is the engine's. When the operation returns, its answer must be the model's. Because that
 * moment lies between call and return, real-time order holds by construction. An answer that differs is an
 * `OracleViolation`, raised as a defect so that no workload takes it for an expected failure. One view serves one
 * client: a second call before the first has returned is a mistake of the harness.
 */
import * as Cause from "effect/Cause";
import * as Effect from "effect/Effect";
import type { Filesystem, Fs, FsError, FsReason } from "../../engine/fs/types.ts";
import { type Expectation, isRefusal, succeeds } from "./expectation.ts";
import { expectListing, type Listing } from "./listing.ts";
import { textOf } from "./inode.ts";
import type { Call, Model } from "./model.ts";
import * as files from "./model-files.ts";

/** An engine that can be watched. */
export interface Observable {
  readonly filesystemFor: (observer: Observer) => Filesystem;
}

export interface Observer {
  /** The operation takes effect. */
  linearized(): void;
  /** Whoever had it died before it answered: it is asked of another, and must not take effect twice. */
  resent(): void;
}

/** The engine did something that the reference filesystem does not allow. */
export class OracleViolation {
  readonly _tag = "OracleViolation";
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** Failures that are no contradiction, though the model would have succeeded. */
export interface Tolerance {
  /** The disk may be full: whatever needs space may fail with `NoSpace`. */
  readonly noSpace: boolean;
  /** Zones that fail may take space with them that had been promised: syncs may fail with `NoSpace` too. */
  readonly promisesFail?: boolean;
  /** Any operation may fail for these reasons. */
  readonly reasons: ReadonlyArray<FsReason>;
  /** Except those that only look: the disk can be read, and a pool that gave up shows what it holds. */
  readonly readable?: boolean;
}

/** How an operation relates to the history; `handle`: it is not there, and counts once however often it is asked. */
type Kind = "look" | "handle" | "change" | "growth" | "sync";

interface Pending<A> {
  readonly call: Call;
  readonly kind: Kind;
  readonly apply: (call: Call) => Expectation<A>;
  expectation: Expectation<A> | undefined;
  /** The history's moment when it was linearized. */
  linearizedMoment: number | undefined;
  /** It was asked again. */
  resent: boolean;
  /** It took effect without changing anything, as renaming a file to its own name does. */
  idle: boolean;
}

type Failed = (violation: OracleViolation) => void;

const placeOf = (parent: number, name: Uint8Array): string => `${parent}/${textOf(name)}`;

export class CheckedClient {
  private readonly name: string;
  private readonly model: Model;
  private readonly tolerance: Tolerance;
  private readonly failed: Failed;
  private pending: Pending<never> | undefined;
  private listing: Listing | undefined;

  constructor(name: string, model: Model, tolerance: Tolerance, failed: Failed) {
    this.name = name;
    this.model = model;
    this.tolerance = tolerance;
    this.failed = failed;
  }

  /** The view for this client. */
  view(engine: Observable): Filesystem {
    const fs = engine.filesystemFor({
      linearized: () => this.linearized(),
      resent: () => {
        if (this.pending !== undefined) this.pending.resent = true;
      },
    });
    const { model } = this;
    const at = placeOf;
    return {
      lookup: (parent, name) =>
        this.run(
          "look",
          `lookup(${at(parent, name)})`,
          () => fs.lookup(parent, name),
          () => model.lookup(parent, name),
        ),
      getattr: (inode) =>
        this.run(
          "look",
          `getattr(${inode})`,
          () => fs.getattr(inode),
          () => model.getattr(inode),
        ),
      setattr: (inode, changes) => {
        const grows = (changes.sizeBytes ?? 0) > (model.find(inode)?.content?.sizeBytes ?? 0);
        const label = `setattr(${inode}, ${JSON.stringify(changes)})`;
        return this.run(
          grows ? "growth" : "change",
          label,
          () => fs.setattr(inode, changes),
          (call) => model.setattr(call, inode, changes),
        );
      },
      ...this.creations(fs),
      ...this.names(fs),
      ...this.fileOperations(fs),
      ...this.xattrOperations(fs),
    };
  }

  private creations(fs: Filesystem): Pick<Filesystem, "mknod" | "mkdir" | "symlink" | "tmpfile" | "readlink" | "link"> {
    const { model } = this;
    const at = placeOf;
    return {
      mknod: (parent, name, mode, rdev, owner) =>
        this.run(
          "growth",
          `mknod(${at(parent, name)}, 0o${mode.toString(8)})`,
          () => fs.mknod(parent, name, mode, rdev, owner),
          (call) => model.mknod(call, parent, name.slice(), mode, rdev, owner),
        ),
      mkdir: (parent, name, mode, owner) =>
        this.run(
          "growth",
          `mkdir(${at(parent, name)})`,
          () => fs.mkdir(parent, name, mode, owner),
          (call) => model.mkdir(call, parent, name, mode, owner),
        ),
      symlink: (parent, name, target, owner) =>
        this.run(
          "growth",
          `symlink(${at(parent, name)})`,
          () => fs.symlink(parent, name, target, owner),
          (call) => model.symlink(call, parent, name, target, owner),
        ),
      tmpfile: (parent, mode, owner) =>
        this.run(
          "growth",
          `tmpfile(${parent}, 0o${mode.toString(8)})`,
          () => fs.tmpfile(parent, mode, owner),
          (call) => model.tmpfile(call, parent, mode, owner),
        ),
      readlink: (inode) =>
        this.run(
          "look",
          `readlink(${inode})`,
          () => fs.readlink(inode),
          () => model.readlink(inode),
        ),
      link: (inode, newParent, newName) =>
        this.run(
          "growth",
          `link(${inode}, ${at(newParent, newName)})`,
          () => fs.link(inode, newParent, newName),
          (call) => model.link(call, inode, newParent, newName),
        ),
    };
  }

  private names(fs: Filesystem): Pick<Filesystem, "unlink" | "rmdir" | "rename" | "readdir" | "parentOf"> {
    const { model } = this;
    const at = placeOf;
    return {
      unlink: (parent, name) =>
        this.run(
          "change",
          `unlink(${at(parent, name)})`,
          () => fs.unlink(parent, name),
          (call) => model.unlink(call, parent, name),
        ),
      rmdir: (parent, name) =>
        this.run(
          "change",
          `rmdir(${at(parent, name)})`,
          () => fs.rmdir(parent, name),
          (call) => model.rmdir(call, parent, name),
        ),
      rename: (parent, name, newParent, newName, mode) =>
        this.run(
          "growth",
          `rename(${at(parent, name)}, ${at(newParent, newName)}, ${mode})`,
          () => fs.rename(parent, name, newParent, newName, mode),
          (call) => model.rename(call, parent, name, newParent, newName, mode),
        ),
      readdir: (inode, cookie, countMax) =>
        this.run(
          "look",
          `readdir(${inode}, ${cookie})`,
          () => fs.readdir(inode, cookie, countMax),
          () => expectListing(model, this.listing, inode, cookie, countMax, (listing) => (this.listing = listing)),
        ),
      parentOf: (inode) =>
        this.run(
          "look",
          `parentOf(${inode})`,
          () => fs.parentOf(inode),
          () => model.parentOf(inode),
        ),
    };
  }

  private lasting(fs: Filesystem): Pick<Filesystem, "seek" | "fsync" | "syncfs" | "statfs"> {
    const { model } = this;
    return {
      seek: (inode, offset, what) =>
        this.run(
          "look",
          `seek(${inode}, ${offset}, ${what})`,
          () => fs.seek(inode, offset, what),
          () => files.seek(model, inode, offset, what),
        ),
      fsync: (inode) =>
        Effect.suspend(() => {
          const synced = model.find(inode);
          return this.run(
            "sync",
            `fsync(${inode})`,
            () => fs.fsync(inode),
            () => files.existing(model, inode),
            (started) => model.history.syncCompleted(started, synced),
          );
        }),
      syncfs: this.run(
        "sync",
        "syncfs",
        () => fs.syncfs,
        () => succeeds,
        (started) => model.history.syncCompleted(started, "everything"),
      ),
      statfs: this.run(
        "look",
        "statfs",
        () => fs.statfs,
        () => files.statistics(),
      ),
    };
  }

  private fileOperations(fs: Filesystem): Omit<Filesystem, NamespaceOperation | XattrOperation> {
    const { model } = this;
    return {
      open: (inode) =>
        this.run(
          "handle",
          `open(${inode})`,
          () => fs.open(inode),
          () => files.openInode(model, inode),
        ),
      release: (inode) =>
        this.run(
          "handle",
          `release(${inode})`,
          () => fs.release(inode),
          () => files.releaseInode(model, inode),
        ),
      read: (inode, offset, length) =>
        this.run(
          "look",
          `read(${inode}, ${offset}, ${length})`,
          () => fs.read(inode, offset, length),
          () => files.read(model, inode, offset, length),
        ),
      write: (inode, offset, bytes) => {
        const kept = bytes.slice();
        return this.run(
          "growth",
          `write(${inode}, ${offset}, ${bytes.length} bytes)`,
          () => fs.write(inode, offset, bytes),
          (call) => files.write(model, call, inode, offset, kept),
        );
      },
      append: (inode, bytes) => {
        const kept = bytes.slice();
        return this.run(
          "growth",
          `append(${inode}, ${bytes.length} bytes)`,
          () => fs.append(inode, bytes),
          (call) => files.append(model, call, inode, kept),
        );
      },
      fallocate: (inode, mode, offset, length, keepSize) =>
        this.run(
          "growth",
          `fallocate(${inode}, ${mode}, ${offset}, ${length}${keepSize ? ", keep size" : ""})`,
          () => fs.fallocate(inode, mode, offset, length, keepSize),
          (call) => files.fallocate(model, call, inode, mode, offset, length, keepSize),
        ),
      ...this.lasting(fs),
    };
  }

  private xattrOperations(fs: Filesystem): Pick<Filesystem, XattrOperation> {
    const { model } = this;
    return {
      getxattr: (inode, name) =>
        this.run(
          "look",
          `getxattr(${inode}, ${textOf(name)})`,
          () => fs.getxattr(inode, name),
          () => files.getxattr(model, inode, name),
        ),
      setxattr: (inode, name, value, mode) => {
        const kept = value.slice();
        return this.run(
          "growth",
          `setxattr(${inode}, ${textOf(name)}, ${value.length} bytes, ${mode})`,
          () => fs.setxattr(inode, name, value, mode),
          (call) => files.setxattr(model, call, inode, name, kept, mode),
        );
      },
      listxattr: (inode) =>
        this.run(
          "look",
          `listxattr(${inode})`,
          () => fs.listxattr(inode),
          () => files.listxattr(model, inode),
        ),
      removexattr: (inode, name) =>
        this.run(
          "change",
          `removexattr(${inode}, ${textOf(name)})`,
          () => fs.removexattr(inode, name),
          (call) => files.removexattr(model, call, inode, name),
        ),
    };
  }

  private run<A>(
    kind: Kind,
    label: string,
    operation: () => Fs<A>,
    apply: (call: Call) => Expectation<A>,
    completed?: (startedMoment: number) => void,
  ): Fs<A> {
    return Effect.suspend(() => {
      if (this.pending !== undefined) throw new Error(`${this.name} calls ${label} before ${this.pending.call.label}`);
      const invokedMoment = this.model.history.moment;
      const call = { label: `${this.name}: ${label}` };
      const beginning = { expectation: undefined, linearizedMoment: undefined, resent: false, idle: false };
      const pending: Pending<A> = { call, kind, apply, ...beginning };
      this.pending = pending;
      return Effect.matchCauseEffect(operation(), {
        onSuccess: (value) => {
          this.pending = undefined;
          const wrong = this.wrongSuccess(pending, value);
          if (wrong !== undefined) return this.violate(pending, wrong);
          completed?.(pending.linearizedMoment ?? invokedMoment);
          return Effect.succeed(value);
        },
        onFailure: (cause) => {
          this.pending = undefined;
          const failure = cause.reasons.find(Cause.isFailReason);
          if (failure === undefined) return Effect.failCause(cause);
          const wrong = this.wrongFailure(pending, failure.error);
          return wrong === undefined ? Effect.fail(failure.error) : this.violate(pending, wrong);
        },
      });
    });
  }

  private linearized(): void {
    const pending = this.pending;
    if (pending === undefined) throw new Error(`${this.name}: an operation took effect that nobody waits for`);
    if (pending.linearizedMoment !== undefined && !mayRepeat(pending)) {
      throw new Error(`${pending.call.label} took effect twice`);
    }
    if (pending.kind !== "handle" || pending.expectation === undefined) {
      const before = this.model.history.moment;
      pending.expectation = pending.apply(pending.call);
      pending.idle = this.model.history.moment === before;
    }
    pending.linearizedMoment = this.model.history.moment;
  }

  private wrongSuccess<A>(pending: Pending<A>, value: A): string | undefined {
    if (pending.expectation === undefined && (pending.kind === "change" || pending.kind === "growth")) {
      // Nothing to do is a success without an effect; the model must see nothing to do either.
      const before = this.model.history.moment;
      const expectation = pending.apply(pending.call);
      if (this.model.history.moment !== before) return "it succeeded, but never said when it took effect";
      pending.expectation = expectation;
    }
    const expectation = pending.expectation ?? pending.apply(pending.call);
    if (isRefusal(expectation)) {
      return expectation.orAnything === true ? undefined : `it succeeded, expected ${expectation.fails.join(" or ")}`;
    }
    const wrong = expectation.verify(value);
    // What is answered again is what is there now, which others may have changed since it took effect.
    return pending.resent && isChange(pending.kind) && wrong?.startsWith("inode number") !== true ? undefined : wrong;
  }

  private toleratesNoSpace(kind: Kind): boolean {
    const { noSpace, promisesFail = false } = this.tolerance;
    return (kind === "growth" && noSpace) || (kind === "sync" && promisesFail);
  }

  private wrongFailure<A>(pending: Pending<A>, error: FsError): string | undefined {
    const told = error.detail === "" ? error.reason : `${error.reason} (${error.detail})`;
    const tookEffect = pending.linearizedMoment !== undefined && pending.expectation !== undefined;
    if (tookEffect && isChange(pending.kind) && !isRefusal(pending.expectation as Expectation<A>)) {
      return `it took effect, and failed with ${told}`;
    }
    const { reasons, readable = false } = this.tolerance;
    if (reasons.includes(error.reason) && !(readable && pending.kind === "look")) return undefined;
    if (error.reason === "NoSpace" && this.toleratesNoSpace(pending.kind)) return undefined;
    const before = this.model.history.moment;
    const expectation = pending.expectation ?? pending.apply(pending.call);
    if (isRefusal(expectation)) {
      const keeps = expectation.orAnything === true && this.model.keepsGone;
      return keeps || expectation.fails.includes(error.reason)
        ? undefined
        : `${told}, expected ${expectation.fails.join(" or ")}`;
    }
    if (expectation.mayFail?.includes(error.reason) === true && this.model.history.moment === before) return undefined;
    return `${told}, expected success`;
  }

  private violate<A>(pending: Pending<A>, what: string): Effect.Effect<never> {
    const violation = new OracleViolation(`${pending.call.label}: ${what}`);
    this.failed(violation);
    return Effect.die(violation);
  }
}

type NamespaceOperation =
  | "lookup"
  | "getattr"
  | "setattr"
  | "mknod"
  | "mkdir"
  | "symlink"
  | "tmpfile"
  | "readlink"
  | "link"
  | "unlink"
  | "rmdir"
  | "rename"
  | "readdir"
  | "parentOf";

type XattrOperation = "getxattr" | "setxattr" | "listxattr" | "removexattr";

const MAKES = /^[^:]*: (?:mknod|mkdir|symlink)\(/u;

/**
 * What was asked again has changed nothing before, or made something that was gone when it was asked again: were it
 * there, the model would refuse to make it.
 */
function mayRepeat({ resent, kind, call, idle }: Pending<never>): boolean {
  return resent && (idle || !isChange(kind) || MAKES.test(call.label));
}

function isChange(kind: Kind): boolean {
  return kind === "change" || kind === "growth";
}
