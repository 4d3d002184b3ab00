/**
 * A view of the filesystem: each operation of the `Filesystem` interface as one or a few transactions.
 *
 * A view's `observe` runs at the moment at which an operation takes effect, exactly once: in the step of its commit, or
 * where its failure was established. A failure that does not follow from the state of the filesystem (no space, no
 * device) is not observed: such an operation never took place. Views share everything else.
 */
import * as Effect from "effect/Effect";
import type { PoolFailed } from "../actor.ts";
import type { Transaction } from "../btree/transaction.ts";
import type { InodeValue } from "../format/values/inode.ts";
import { isOwnCompression } from "../format/values/own-compression.ts";
import { reached } from "../marks.ts";
import {
  areTimes,
  changed,
  Changes,
  type Making,
  modeOf,
  PERMISSION_BITS,
  type Step,
  type ViewParts,
} from "./changes.ts";
import type { NamePlace } from "./directory.ts";
import { asFsError, type FileFailure } from "./file-access.ts";
import { attributesOf } from "./inode.ts";
import { createNameless, type Dropped, link } from "./namespace.ts";
import {
  type AttributeChanges,
  type Attributes,
  type DirectoryEntry,
  FileType,
  type Filesystem,
  type FilesystemStatistics,
  type FilesystemUser,
  type Fs,
  FsError,
  type FallocateMode,
  NAME_BYTES_MAX,
  type Owner,
  type RenameMode,
  SYMLINK_BYTES_MAX,
  XATTR_VALUE_BYTES_MAX,
} from "./types.ts";
import { removeXattr, setXattr, xattrNameFault } from "./xattr.ts";

/** Most that a transaction stages beside the value of an attribute. */
const XATTR_OVERHEAD_BYTES = 4096;

const toFs = <A>(effect: Effect.Effect<A, FileFailure>): Fs<A> => Effect.mapError(effect, asFsError);

export class View implements Filesystem {
  private readonly parts: ViewParts;
  private readonly changes: Changes;
  private readonly observe: (made?: number) => void;

  constructor(parts: ViewParts, user: FilesystemUser) {
    this.parts = parts;
    this.changes = new Changes(parts, user);
    this.observe = this.changes.observe;
  }

  private fail<A>(error: FsError): Fs<A> {
    return Effect.suspend(() => {
      this.changes.observeFailure(error);
      return Effect.fail(error);
    });
  }

  /** Runs a body that returns a value or what is wrong. */
  private run<A>(body: (tx: Transaction) => A | FsError, step: Step<A> = 0): Effect.Effect<A, FsError | PoolFailed> {
    return this.parts.services.transactor.transact<A, FsError>(this.changes.told(body, step));
  }

  private change<A>(body: (tx: Transaction) => A | FsError, step: Step<A> = 0): Fs<A> {
    if (this.parts.services.readOnly) return this.fail(new FsError("ReadOnly"));
    return toFs(this.run(body, step));
  }

  /** Asks for space for new metadata; frees some first if it must. */
  private admitted<A>(operation: () => Fs<A>): Fs<A> {
    const { space } = this.parts.services;
    return Effect.suspend(() => {
      if (space.admitsMetadata()) return operation();
      return Effect.flatMap(Effect.mapError(space.admitMetadata, asFsError), (admitted) =>
        admitted ? operation() : Effect.fail(new FsError("NoSpace")),
      );
    });
  }

  private live(tx: Transaction, inode: number): InodeValue | FsError {
    return this.changes.live(tx, inode);
  }

  lookup(parent: number, name: Uint8Array): Fs<Attributes> {
    const place = this.changes.place(parent, name);
    if (place instanceof FsError) return this.fail(place);
    return toFs(this.run((tx) => this.changes.lookup(tx, place)));
  }

  getattr(inode: number): Fs<Attributes> {
    return toFs(this.run((tx) => this.changes.getattr(tx, inode)));
  }

  setattr(inode: number, changes: AttributeChanges): Fs<Attributes> {
    const { files, services } = this.parts;
    if (services.readOnly) return this.fail(new FsError("ReadOnly"));
    const { sizeBytes, compression = 0 } = changes;
    if (!isOwnCompression(compression)) return this.fail(new FsError("InvalidArgument", "compression"));
    if (sizeBytes !== undefined) {
      if (!areTimes(changes)) return this.fail(new FsError("InvalidArgument", "time"));
      const apply = (row: InodeValue): InodeValue => changed(row, changes);
      // At that moment nothing was newer than the row.
      const truncated = Effect.suspend(() => files.ranges.truncate(inode, sizeBytes, apply, this.observe));
      return Effect.map(toFs(truncated), (row) => attributesOf(inode, row, undefined));
    }
    return this.change((tx) => this.changes.setattr(tx, inode, changes), modeOf);
  }

  private make(parent: number, name: Uint8Array, what: Making | FsError): Fs<Attributes> {
    if (what instanceof FsError) return this.fail(what);
    const place = this.changes.place(parent, name);
    if (place instanceof FsError) return this.fail(place);
    return this.admitted(() => {
      const inode = this.parts.numbers.take();
      return this.change((tx) => this.changes.make(tx, place, inode, what), inode);
    });
  }

  mknod(parent: number, name: Uint8Array, mode: number, rdev: number, owner: Owner): Fs<Attributes> {
    return this.make(parent, name, this.changes.node(mode, rdev, owner));
  }

  mkdir(parent: number, name: Uint8Array, mode: number, owner: Owner): Fs<Attributes> {
    return this.make(parent, name, this.changes.directory(mode, owner));
  }

  symlink(parent: number, name: Uint8Array, target: Uint8Array, owner: Owner): Fs<Attributes> {
    if (target.length === 0) return this.fail(new FsError("NoEntry", "empty target"));
    if (target.length > SYMLINK_BYTES_MAX) return this.fail(new FsError("NameTooLong", "target"));
    return this.make(parent, name, { mode: FileType.symlink | 0o777, rdev: 0, owner, target: target.slice() });
  }

  readlink(inode: number): Fs<Uint8Array> {
    return toFs(this.run((tx) => this.changes.readlink(tx, inode)));
  }

  link(inode: number, newParent: number, newName: Uint8Array): Fs<Attributes> {
    const place = this.changes.place(newParent, newName);
    if (place instanceof FsError) return this.fail(place);
    return this.admitted(() =>
      this.change((tx) => {
        const state = this.parts.files.files.get(inode);
        const nameless = state?.nameless === true && state.opens > 0;
        const row = link(tx, inode, place, this.parts.now(), nameless);
        if (row instanceof FsError) return row;
        if (nameless) tx.onCommit(() => this.parts.files.named(inode));
        return this.changes.attributes(inode, row);
      }, modeOf),
    );
  }

  tmpfile(parent: number, mode: number, owner: Owner): Fs<Attributes> {
    return this.admitted(() => {
      const { numbers, files } = this.parts;
      const inode = numbers.take();
      return this.change((tx) => {
        const typed = FileType.regular | (mode & PERMISSION_BITS);
        const row = createNameless(tx, { directory: parent, inode, mode: typed, owner, now: this.parts.now() });
        if (row instanceof FsError) return row;
        numbers.cover(tx, inode);
        tx.onCommit(() => files.openNameless(inode));
        return this.changes.attributes(inode, row);
      }, inode);
    });
  }

  /** Removes what nobody can reach any more. */
  private purgeAfter(operation: Fs<Dropped | undefined>): Fs<void> {
    return Effect.flatMap(operation, (dropped) =>
      this.changes.mustBePurged(dropped) ? toFs(this.parts.files.purge(dropped!.inode)) : Effect.void,
    );
  }

  private removeEntry(parent: number, name: Uint8Array, directory: boolean): Fs<void> {
    const place = this.changes.place(parent, name);
    if (place instanceof FsError) return this.fail(place);
    return this.purgeAfter(this.change((tx) => this.changes.remove(tx, place, directory)));
  }

  unlink(parent: number, name: Uint8Array): Fs<void> {
    return this.removeEntry(parent, name, false);
  }

  rmdir(parent: number, name: Uint8Array): Fs<void> {
    return this.removeEntry(parent, name, true);
  }

  rename(parent: number, name: Uint8Array, newParent: number, newName: Uint8Array, mode: RenameMode): Fs<void> {
    const from = this.changes.place(parent, name);
    if (from instanceof FsError) return this.fail(from);
    const to = this.changes.place(newParent, newName);
    if (to instanceof FsError) return this.fail(to);
    if (mode !== "whiteout") return this.renaming(from, to, mode, 0);
    return this.admitted(() => this.renaming(from, to, mode, this.parts.numbers.take()));
  }

  private renaming(from: NamePlace, to: NamePlace, mode: RenameMode, whiteout: number): Fs<void> {
    const { files, services } = this.parts;
    if (services.readOnly) return this.fail(new FsError("ReadOnly"));
    const renamed = this.changes.told((tx) => this.changes.rename(tx, from, to, mode, whiteout));
    const attempt = toFs(
      services.transactor.transact<Dropped | undefined | number, FsError>(
        (tx) => this.changes.unwrittenSource(tx, from, to, mode) ?? renamed(tx),
      ),
    );
    // Whoever replaces a file by another expects the new content or the old one after a crash.
    const whole: Fs<Dropped | undefined> = Effect.flatMap(attempt, (answer) => {
      if (typeof answer !== "number") return Effect.succeed(answer);
      reached("rename waited for data");
      return Effect.flatMap(toFs(files.flushInode(answer)), () => whole);
    });
    return this.purgeAfter(whole);
  }

  readdir(inode: number, cookie: number, countMax: number): Fs<ReadonlyArray<DirectoryEntry>> {
    return toFs(this.run((tx) => this.changes.readdir(tx, inode, cookie, countMax)));
  }

  parentOf(directory: number): Fs<number> {
    return toFs(this.run((tx) => this.changes.parentOf(tx, directory)));
  }

  open(inode: number): Fs<void> {
    return toFs(Effect.suspend(() => this.parts.files.open(inode, this.observe)));
  }

  release(inode: number): Fs<void> {
    return toFs(Effect.suspend(() => this.parts.files.release(inode, this.observe)));
  }

  read(inode: number, offsetBytes: number, lengthBytes: number): Fs<Uint8Array> {
    return toFs(Effect.suspend(() => this.parts.files.read(inode, offsetBytes, lengthBytes, this.observe)));
  }

  write(inode: number, offsetBytes: number, bytes: Uint8Array, keepTimes = false): Fs<void> {
    return Effect.asVoid(this.writeAt(inode, offsetBytes, bytes, keepTimes));
  }

  append(inode: number, bytes: Uint8Array): Fs<number> {
    return this.writeAt(inode, "end", bytes);
  }

  private writeAt(inode: number, offset: number | "end", bytes: Uint8Array, keepTimes = false): Fs<number> {
    if (this.parts.services.readOnly) return this.fail(new FsError("ReadOnly"));
    return toFs(Effect.suspend(() => this.parts.files.write(inode, offset, bytes, this.observe, keepTimes)));
  }

  fallocate(inode: number, mode: FallocateMode, offsetBytes: number, lengthBytes: number, keepSize: boolean): Fs<void> {
    if (this.parts.services.readOnly) return this.fail(new FsError("ReadOnly"));
    return toFs(
      Effect.suspend(() =>
        this.parts.files.ranges.fallocate(inode, mode, offsetBytes, lengthBytes, keepSize, this.observe),
      ),
    );
  }

  seek(inode: number, offsetBytes: number, what: "data" | "hole"): Fs<number> {
    return toFs(this.parts.files.ranges.seek(inode, offsetBytes, what, this.observe));
  }

  fsync(inode: number): Fs<void> {
    if (this.parts.services.readOnly) return this.fail(new FsError("ReadOnly"));
    return toFs(Effect.suspend(() => this.parts.files.fsync(inode, this.observe)));
  }

  get syncfs(): Fs<void> {
    if (this.parts.services.readOnly) return this.fail(new FsError("ReadOnly"));
    return toFs(this.parts.files.syncfs(this.observe));
  }

  private onLive<A>(tx: Transaction, inode: number, use: () => A | FsError): A | FsError {
    const row = this.live(tx, inode);
    return row instanceof FsError ? row : use();
  }

  getxattr(inode: number, name: Uint8Array): Fs<Uint8Array> {
    const fault = xattrNameFault(name);
    if (fault !== undefined) return this.fail(fault);
    return toFs(this.run((tx) => this.changes.getxattr(tx, inode, name)));
  }

  setxattr(inode: number, name: Uint8Array, value: Uint8Array, mode: "set" | "create" | "replace"): Fs<void> {
    const fault = xattrNameFault(name);
    if (fault !== undefined) return this.fail(fault);
    // A value is set in one transaction, and the journal of a very small pool takes only so much.
    const most = this.parts.services.transactor.commitBytesMax;
    if (most !== undefined && value.length <= XATTR_VALUE_BYTES_MAX && value.length + XATTR_OVERHEAD_BYTES > most) {
      return this.fail(new FsError("NoSpace", "attribute value"));
    }
    const bytes = value.slice();
    return this.admitted(() =>
      this.change<void>((tx) => this.onLive(tx, inode, () => setXattr(tx, inode, name, bytes, mode, this.parts.now()))),
    );
  }

  listxattr(inode: number): Fs<ReadonlyArray<Uint8Array>> {
    return toFs(this.run((tx) => this.changes.listxattr(tx, inode)));
  }

  removexattr(inode: number, name: Uint8Array): Fs<void> {
    const fault = xattrNameFault(name);
    if (fault !== undefined) return this.fail(fault);
    return this.change<void>((tx) => this.onLive(tx, inode, () => removeXattr(tx, inode, name, this.parts.now())));
  }

  get statfs(): Fs<FilesystemStatistics> {
    const { services, inodeCount } = this.parts;
    return Effect.map(inodeCount, (inodes) => {
      this.observe();
      const { space, blockBytes } = services;
      return {
        blockBytes,
        totalBytes: space.totalBytes(),
        freeBytes: space.freeBytes(),
        availableBytes: space.availableBytes(),
        inodes,
        nameBytesMax: NAME_BYTES_MAX,
      };
    });
  }
}
