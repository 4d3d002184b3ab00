/**
 * The commonest calls of the filesystem, answered on the caller's stack where nothing must be waited for.
 *
 * Each is what the call of the same name in `Filesystem` is, without an Effect: it takes effect at once or not at all.
 * `undefined` says that something must be waited for (a node, a device, room for data, somebody's turn): nothing has
 * happened, and the caller asks the other way.
 */
import * as Effect from "effect/Effect";
import type { BtreeActor } from "../btree/btree-actor.ts";
import { Abort, type Body, type Transaction } from "../btree/transaction.ts";
import type { Pieces } from "../data/read-memory.ts";
import { reached } from "../marks.ts";
import { Changes, type Making, modeOf, type Step, type ViewParts } from "./changes.ts";
import { asFsError } from "./file-access.ts";
import {
  type AttributeChanges,
  type Attributes,
  type DirectoryEntry,
  type FilesystemUser,
  type Fs,
  FsError,
  type Owner,
  type RenameMode,
} from "./types.ts";
import { xattrNameFault } from "./xattr.ts";

/** How bodies are run at once, by whoever runs transactions: one that only reads, and one to its commit. */
export type Immediate = Pick<BtreeActor, "peek" | "now">;
export type Peek = Immediate["peek"];

/** What a body returns when somebody must wait behind its commit. */
const WAITS = new Abort<undefined>(undefined);

export class AtOnce {
  private readonly parts: ViewParts;
  private readonly immediate: Immediate;
  private readonly changes: Changes;

  constructor(parts: ViewParts, user: FilesystemUser, immediate: Immediate) {
    this.parts = parts;
    this.immediate = immediate;
    this.changes = new Changes(parts, user);
  }

  getattr(inode: number): Attributes | FsError | undefined {
    return this.look((tx) => this.changes.getattr(tx, inode));
  }

  lookup(parent: number, name: Uint8Array): Attributes | FsError | undefined {
    const place = this.changes.place(parent, name);
    return place instanceof FsError ? this.told(place) : this.look((tx) => this.changes.lookup(tx, place));
  }

  readdir(inode: number, cookie: number, countMax: number): ReadonlyArray<DirectoryEntry> | FsError | undefined {
    return this.look((tx) => this.changes.readdir(tx, inode, cookie, countMax));
  }

  getxattr(inode: number, name: Uint8Array): Uint8Array | FsError | undefined {
    const fault = xattrNameFault(name);
    if (fault !== undefined) return this.told(fault);
    return this.look((tx) => this.changes.getxattr(tx, inode, name));
  }

  listxattr(inode: number): ReadonlyArray<Uint8Array> | FsError | undefined {
    return this.look((tx) => this.changes.listxattr(tx, inode));
  }

  readlink(inode: number): Uint8Array | FsError | undefined {
    return this.look((tx) => this.changes.readlink(tx, inode));
  }

  parentOf(directory: number): number | FsError | undefined {
    return this.look((tx) => this.changes.parentOf(tx, directory));
  }

  /** The bytes in pieces. Whoever releases them when they are through spares the runtime garbage. */
  read(inode: number, offsetBytes: number, lengthBytes: number): Pieces | FsError | undefined {
    return this.told(this.parts.files.readAtOnce(inode, offsetBytes, lengthBytes, this.immediate.peek));
  }

  /** The same for what must be waited for. */
  readLater(inode: number, offsetBytes: number, lengthBytes: number): Fs<Pieces> {
    return Effect.mapError(this.parts.files.readPieces(inode, offsetBytes, lengthBytes), asFsError);
  }

  /** True if all of `bytes` was written. */
  write(inode: number, offsetBytes: number, bytes: Uint8Array, keepTimes: boolean): true | FsError | undefined {
    const effect = (): void => this.changes.observe(offsetBytes);
    const written = this.parts.files.writeAtOnce(inode, offsetBytes, bytes, keepTimes, effect, this.immediate.peek);
    return typeof written === "number" ? true : this.told(written);
  }

  /** Changes of size wait for data. */
  setattr(inode: number, changes: AttributeChanges): Attributes | FsError | undefined {
    if (changes.sizeBytes !== undefined) return undefined;
    return this.change((tx) => this.changes.setattr(tx, inode, changes), modeOf);
  }

  mknod(parent: number, name: Uint8Array, mode: number, rdev: number, owner: Owner): Attributes | FsError | undefined {
    return this.make(parent, name, this.changes.node(mode, rdev, owner));
  }

  mkdir(parent: number, name: Uint8Array, mode: number, owner: Owner): Attributes | FsError | undefined {
    return this.make(parent, name, this.changes.directory(mode, owner));
  }

  private make(parent: number, name: Uint8Array, what: Making | FsError): Attributes | FsError | undefined {
    const { numbers, services } = this.parts;
    const place = this.changes.place(parent, name);
    if (what instanceof FsError) return this.told(what);
    if (place instanceof FsError) return this.told(place);
    if (!services.space.admitsMetadata()) return undefined;
    // Where it must wait after all, a number is left out.
    const inode = numbers.take();
    return this.change((tx) => this.changes.make(tx, place, inode, what), inode);
  }

  unlink(parent: number, name: Uint8Array): true | FsError | undefined {
    return this.remove(parent, name, false);
  }

  rmdir(parent: number, name: Uint8Array): true | FsError | undefined {
    return this.remove(parent, name, true);
  }

  private remove(parent: number, name: Uint8Array, directory: boolean): true | FsError | undefined {
    const place = this.changes.place(parent, name);
    if (place instanceof FsError) return this.told(place);
    return this.change((tx) => {
      const dropped = this.changes.remove(tx, place, directory);
      if (dropped instanceof FsError) return dropped;
      return this.changes.mustBePurged(dropped) ? WAITS : true;
    });
  }

  rename(
    parent: number,
    name: Uint8Array,
    newParent: number,
    newName: Uint8Array,
    mode: RenameMode,
  ): true | FsError | undefined {
    if (mode === "whiteout") return undefined;
    const from = this.changes.place(parent, name);
    if (from instanceof FsError) return this.told(from);
    const to = this.changes.place(newParent, newName);
    if (to instanceof FsError) return this.told(to);
    return this.change((tx) => {
      if (this.changes.unwrittenSource(tx, from, to, mode) !== undefined) return WAITS;
      const dropped = this.changes.rename(tx, from, to, mode, 0);
      if (dropped instanceof FsError) return dropped;
      return this.changes.mustBePurged(dropped) ? WAITS : true;
    });
  }

  /** Of what has no name any more, this may be the end. */
  release(inode: number): true | undefined {
    const { files } = this.parts;
    const released = files.releaseAtOnce(inode, this.immediate.now);
    if (released === true) this.changes.observe();
    return released;
  }

  private look<A>(body: (tx: Transaction) => A | FsError): A | FsError | undefined {
    return this.told(this.immediate.peek(body));
  }

  /** Tells the user of what was answered without a transaction that does. */
  private told<A>(answer: A | FsError | undefined): A | FsError | undefined {
    if (answer instanceof FsError) this.changes.observeFailure(answer);
    else if (answer !== undefined) this.changes.observe();
    return answer;
  }

  private change<A>(body: (tx: Transaction) => A | FsError | typeof WAITS, step: Step<A> = 0): A | FsError | undefined {
    if (this.parts.services.readOnly) return undefined;
    const told = this.changes.told<A | typeof WAITS>(body, step as Step<A | typeof WAITS>) as Body<
      A,
      FsError | undefined
    >;
    const answer = this.immediate.now(told);
    if (answer !== undefined && !(answer instanceof Abort)) reached("changed at once");
    return answer instanceof Abort ? answer.error : answer;
  }
}
