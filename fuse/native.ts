/**
 * The transport over `fuse-native`: libfuse's high-level requests, by path, answered through `Operations`.
 *
 * Owns the open handles, the path cache and the files that are hidden for being open and unlinked. Every request is
 * answered exactly once, also after `close`, when the answer is an error: libfuse's threads wait for it. A request on a
 * handle never looks at its path. What the interface cannot carry: the caller (new files get the owner of their
 * directory), times finer than a millisecond or before 1970, names that are not UTF-8, inode numbers above 2^32,
 * setting one time of a file alone (libfuse drops the request), rename flags, fallocate, SEEK_DATA. ACLs are kept but
 * not enforced.
 *
 * The names of a file with several hard links are separate files to the kernel's caches. Attributes are kept for so
 * short a time that a request which changes them behind another name can wait until they are forgotten; data that is
 * cached of an open file is what it was until the file is opened again.
 */
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import { type Attributes, FileType, type Filesystem, type Fs, FsError, ROOT_INODE } from "../engine/fs/types.ts";
import { describeFailure, Errno, errnoOf, Refused } from "./errno.ts";
import { Handles } from "./handles.ts";
import { type Binding, type Handlers, modifiedMsOf, type OperationName, type Request } from "./native-binding.ts";
import { HiddenFiles, isHiding } from "./native-hidden.ts";
import { type Located, Paths, type Place } from "./native-paths.ts";
import { entryStatOf, NO_STAT, NO_STATFS, statfsOf, statOf, timestampOf, wide, wideSigned } from "./native-records.ts";
import { Operations, type SetAttributes } from "./operations.ts";
import { RecentlyTold } from "./recently-told.ts";
import type { TransportServices } from "./transport.ts";

export interface TransportOptions {
  /** How long the kernel keeps attributes. */
  readonly attributeSeconds: number;
  readonly acls: boolean;
}

export interface NativeTransport {
  readonly handlers: Handlers;
  /** From now on every request fails; forgets all handles and hidden files, which lets the engine free them. */
  readonly close: Effect.Effect<void>;
}

/** How long the kernel keeps attributes so that a change can still wait until they are forgotten. */
export const ATTRIBUTE_SECONDS_COHERENT = 0.004;
/** The kernel rounds up to its ticks, of 4 ms at most on today's systems, and keeps what ends within the present one. */
const EXPIRY_SLACK_MS = 6;
/** An answer may take long to reach whoever asked, on a busy machine; what it says is kept from then on. */
const TOLD_MS = 1000;
/** Nothing waits longer than this; whoever wants attributes kept longer takes stale ones. */
const EXPIRY_WAIT_MS_MAX = 20;
const SYMLINK_BUFFER_BYTES = 4096;
const ACL_PREFIX = "system.posix_acl_";
const REPLACEMENT = "\uFFFD";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

class Transport {
  private readonly operations: Operations;
  private readonly binding: Binding;
  private readonly services: TransportServices;
  private readonly paths: Paths;
  private readonly hidden: HiddenFiles;
  private readonly open = new Handles();
  private readonly options: TransportOptions;
  private readonly expiryMs: number;
  private readonly told: RecentlyTold;
  private closed = false;

  constructor(filesystem: Filesystem, binding: Binding, services: TransportServices, options: TransportOptions) {
    this.operations = new Operations(filesystem, () => timestampOf(Date.now()), false);
    this.binding = binding;
    this.services = services;
    this.options = options;
    const { attributeSeconds } = options;
    this.expiryMs = attributeSeconds === 0 ? 0 : attributeSeconds * 1000 + EXPIRY_SLACK_MS;
    this.told = new RecentlyTold(TOLD_MS, () => performance.now());
    this.paths = new Paths(this.operations);
    this.hidden = new HiddenFiles(
      this.operations,
      (effect) => services.run(effect, () => {}),
      (error) => services.report(`a file that was open could not be unlinked: ${error.reason} ${error.detail}`),
    );
  }

  close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closed = true;
      const release = (inode: number): Effect.Effect<void> => Effect.ignore(this.operations.release(inode));
      const inodes = [...this.open.all(), ...this.hidden.all()];
      return Effect.forEach(inodes, release, { discard: true });
    });
  }

  /** Answers a request with what an effect comes to. */
  private answer<A>(
    name: OperationName,
    request: Request,
    effect: Located<A>,
    success: (value: A) => readonly [result: number, ...values: ReadonlyArray<unknown>],
    ...failure: ReadonlyArray<unknown>
  ): void {
    const signal = this.binding.signal(name);
    if (this.closed) return signal(request, -Errno.EIO, ...failure);
    this.services.run(effect, (exit) => {
      if (Exit.isSuccess(exit)) return signal(request, ...success(exit.value));
      const errno = errnoOf(exit);
      if (errno === Errno.EIO) this.services.report(`${name} failed: ${describeFailure(exit)}`);
      signal(request, -errno, ...failure);
    });
  }

  /** Answers a request that depends on names. */
  private named<A>(
    name: OperationName,
    request: Request,
    effect: () => Located<A>,
    success: (value: A) => readonly [result: number, ...values: ReadonlyArray<unknown>],
    ...failure: ReadonlyArray<unknown>
  ): void {
    this.answer(name, request, this.hidden.settled(request, effect), success, ...failure);
  }

  private done(name: OperationName, request: Request, effect: () => Located<unknown>): void {
    this.named(name, request, effect, () => [0]);
  }

  private attributes(path: string): Located<Attributes> {
    const hidden = this.hidden.inodeOf(path);
    return hidden === undefined ? this.paths.attributes(path) : this.operations.getattr(hidden);
  }

  private inode(path: string): Located<number> {
    const hidden = this.hidden.inodeOf(path);
    return hidden === undefined ? this.paths.inode(path) : Effect.succeed(hidden);
  }

  /** Runs an operation on the place that a path names. */
  private at<A>(path: string, operation: (place: Place) => Located<A>): Located<A> {
    return Effect.flatMap(this.paths.place(path), operation);
  }

  /**
   * Runs a change of an inode's attributes. If the inode has (besides the one that went) several names, and the kernel
   * may remember its attributes under another of them, the change is not over before it has forgotten.
   */
  private coherent<A>(inode: number, change: Located<A>, namesGone = 0): Located<A> {
    const { expiryMs } = this;
    if (expiryMs === 0 || expiryMs > EXPIRY_WAIT_MS_MAX || !this.told.has(inode)) return change;
    const wait = Effect.flatMap(
      Effect.catch(this.operations.getattr(inode), () => Effect.succeed(undefined)),
      (now) => (now !== undefined && now.links + namesGone > 1 && now.links > 0 ? Effect.sleep(expiryMs) : Effect.void),
    );
    return Effect.tap(change, () => wait);
  }

  /** Runs a change that takes a name away, which is a change of the inode behind it. */
  private removing<A>(place: Place, change: Located<A>): Located<A> {
    const target = Effect.catch(this.operations.lookup(place.parent, place.name), () => Effect.succeed(undefined));
    return Effect.flatMap(target, (found) =>
      found === undefined || found.links < 2 || isDirectory(found) ? change : this.coherent(found.inode, change, 1),
    );
  }

  private tell(attributes: Attributes): readonly [number, Uint32Array] {
    this.told.add(attributes.inode);
    return [0, statOf(attributes)];
  }

  private setattr(name: OperationName, request: Request, path: string, set: SetAttributes): void {
    this.done(name, request, () =>
      Effect.flatMap(this.inode(path), (inode) => this.coherent(inode, this.operations.setattr(inode, set))),
    );
  }

  private onHandle<A>(handle: number, operation: (inode: number) => Located<A>): Located<A> {
    const inode = this.open.inodeOf(handle);
    return inode === undefined ? Effect.fail(new Refused(Errno.EBADF)) : operation(inode);
  }

  private readonly names = {
    getattr: (request: Request, path: string): void =>
      this.named(
        "getattr",
        request,
        () => this.attributes(path),
        (found) => this.tell(found),
        NO_STAT,
      ),
    fgetattr: (request: Request, path: string, handle: number): void => {
      const inode = this.open.inodeOf(handle);
      const effect = (): Located<Attributes> =>
        inode === undefined ? this.attributes(path) : this.operations.getattr(inode);
      this.named("fgetattr", request, effect, (found) => this.tell(found), NO_STAT);
    },
    readlink: (request: Request, path: string): void => {
      const effect = (): Located<string> =>
        Effect.flatMap(this.inode(path), (inode) => Effect.flatMap(this.operations.readlink(inode), textOf));
      this.named("readlink", request, effect, (target) => [0, target], "");
    },
    mknod: (request: Request, path: string, mode: number, rdev: number): void =>
      this.done("mknod", request, () =>
        this.at(path, ({ parent, name }) => this.operations.mknod(parent, name, mode, rdev, undefined)),
      ),
    mkdir: (request: Request, path: string, mode: number): void =>
      this.done("mkdir", request, () =>
        this.at(path, ({ parent, name }) => this.operations.mkdir(parent, name, mode, undefined)),
      ),
    symlink: (request: Request, target: string, path: string): void =>
      this.done("symlink", request, () => {
        if (target.includes(REPLACEMENT)) return Effect.fail(new Refused(Errno.EILSEQ));
        const bytes = encoder.encode(target);
        return this.at(path, ({ parent, name }) => this.operations.symlink(parent, name, bytes, undefined));
      }),
    link: (request: Request, source: string, path: string): void =>
      this.done("link", request, () =>
        Effect.flatMap(this.inode(source), (inode) =>
          this.at(path, ({ parent, name }) => this.coherent(inode, this.operations.link(inode, parent, name))),
        ),
      ),
    unlink: (request: Request, path: string): void =>
      this.done(
        "unlink",
        request,
        () =>
          this.hidden.drop(path) ??
          this.at(path, (place) => this.removing(place, this.operations.unlink(place.parent, place.name))),
      ),
    rmdir: (request: Request, path: string): void =>
      this.done("rmdir", request, () =>
        Effect.tap(
          this.at(path, ({ parent, name }) => this.operations.rmdir(parent, name)),
          () => Effect.sync(() => this.paths.removed(path)),
        ),
      ),
    rename: (request: Request, source: string, destination: string): void => this.rename(request, source, destination),
  };

  private rename(request: Request, source: string, destination: string): void {
    if (isHiding(source, destination))
      return this.done("rename", request, () => this.hide(request, source, destination));
    const renamed = (from: Place, to: Place): Located<void> =>
      Effect.tap(this.removing(to, this.operations.rename(from.parent, from.name, to.parent, to.name)), () =>
        Effect.sync(() => this.paths.renamed(source, destination)),
      );
    const places = Effect.all([this.paths.place(source), this.paths.place(destination)]);
    const effect = Effect.flatMap(places, ([from, to]) => {
      const pending = this.hidden.takeOver(request, to);
      if (pending !== undefined) return Effect.ensuring(renamed(from, to), pending.finish);
      const late = this.hidden.cameLate(request, to);
      return this.hidden.settled(request, () =>
        late ? Effect.andThen(this.synced(from), () => renamed(from, to)) : renamed(from, to),
      );
    });
    this.answer("rename", request, effect, () => [0]);
  }

  /** Data that is to take another file's place is written first; if it cannot be, the rename may still be done. */
  private synced({ parent, name }: Place): Effect.Effect<void> {
    const { operations } = this;
    return Effect.ignore(Effect.flatMap(operations.lookup(parent, name), ({ inode }) => operations.fsync(inode)));
  }

  private hide(request: Request, source: string, destination: string): Located<void> {
    return this.at(source, (place) =>
      Effect.flatMap(this.operations.lookup(place.parent, place.name), (found) =>
        isDirectory(found)
          ? Effect.fail(new FsError("IsDirectory"))
          : this.hidden.hide(request, place, found.inode, destination),
      ),
    );
  }

  private refuses(attribute: string): boolean {
    return !this.options.acls && attribute.startsWith(ACL_PREFIX);
  }

  private readonly attributeChanges = {
    truncate: (request: Request, path: string, low: number, high: number): void =>
      this.setattr("truncate", request, path, { sizeBytes: wide(low, high) }),
    ftruncate: (request: Request, _path: string, handle: number, low: number, high: number): void =>
      this.answer(
        "ftruncate",
        request,
        this.onHandle(handle, (inode) =>
          this.coherent(inode, this.operations.setattr(inode, { sizeBytes: wide(low, high) })),
        ),
        () => [0],
      ),
    utimens: (request: Request, path: string, low: number, high: number): void => {
      const accessedMs = wideSigned(low, high);
      const modifiedMs = modifiedMsOf(request, accessedMs);
      this.setattr("utimens", request, path, {
        accessed: timestampOf(accessedMs),
        modified: timestampOf(modifiedMs),
      });
    },
    chown: (request: Request, path: string, uid: number, gid: number): void =>
      this.setattr("chown", request, path, { uid, gid }),
    chmod: (request: Request, path: string, mode: number): void => this.setattr("chmod", request, path, { mode }),
    setxattr: (request: Request, path: string, name: string, value: Uint8Array, _at: number, flags: number): void => {
      const effect = (): Located<void> => {
        if (this.refuses(name)) return Effect.fail(new FsError("NotSupported"));
        const change = (inode: number): Fs<void> => this.operations.setxattr(inode, encoder.encode(name), value, flags);
        // The kernel does not know that an ACL changes the mode, under whatever name it remembers that.
        const names = name.startsWith(ACL_PREFIX) ? 1 : 0;
        return Effect.flatMap(this.inode(path), (inode) => this.coherent(inode, change(inode), names));
      };
      this.named("setxattr", request, effect, () => [0, value.buffer], value.buffer);
    },
    getxattr: (request: Request, path: string, name: string, room: Uint8Array): void => {
      const effect = (): Located<number> => {
        if (this.refuses(name)) return Effect.fail(new FsError("NotSupported"));
        return Effect.flatMap(this.inode(path), (inode) =>
          Effect.flatMap(this.operations.getxattr(inode, encoder.encode(name)), (value) => fill(room, [value])),
        );
      };
      this.named("getxattr", request, effect, (length) => [length, room.buffer], room.buffer);
    },
    listxattr: (request: Request, path: string, room: Uint8Array): void => {
      const effect = (): Located<number> =>
        Effect.flatMap(this.inode(path), (inode) =>
          Effect.flatMap(this.operations.listxattr(inode), (names) => fill(room, names.map(withNul))),
        );
      this.named("listxattr", request, effect, (length) => [length, room.buffer], room.buffer);
    },
    removexattr: (request: Request, path: string, name: string): void =>
      this.done("removexattr", request, () =>
        Effect.flatMap(this.inode(path), (inode) => this.operations.removexattr(inode, encoder.encode(name))),
      ),
  };

  private readonly files = {
    create: (request: Request, path: string, mode: number): void => {
      const effect = (): Located<number> =>
        this.at(path, ({ parent, name }) =>
          Effect.map(this.operations.create(parent, name, mode, undefined), ({ inode }) => this.open.add(inode)),
        );
      this.named("create", request, effect, (handle) => [0, handle], 0);
    },
    open: (request: Request, path: string, flags: number): void => {
      const effect = (): Located<number> =>
        Effect.flatMap(this.inode(path), (inode) =>
          Effect.map(this.operations.open(inode, flags), () => this.open.add(inode)),
        );
      this.named("open", request, effect, (handle) => [0, handle], 0);
    },
    read: (
      request: Request,
      _path: string,
      handle: number,
      room: Uint8Array,
      length: number,
      low: number,
      high: number,
    ): void => {
      const effect = this.onHandle(handle, (inode) => this.operations.read(inode, wide(low, high), length));
      const copied = (bytes: Uint8Array): readonly [number, number, ArrayBufferLike] => {
        room.set(bytes);
        return [bytes.length, 0, room.buffer];
      };
      this.answer("read", request, effect, copied, 0, room.buffer);
    },
    write: (
      request: Request,
      _path: string,
      handle: number,
      bytes: Uint8Array,
      length: number,
      low: number,
      high: number,
    ): void => {
      const effect = this.onHandle(handle, (inode) =>
        this.coherent(inode, this.operations.write(inode, wide(low, high), bytes)),
      );
      this.answer("write", request, effect, () => [length, 0, bytes.buffer], 0, bytes.buffer);
    },
    release: (request: Request, _path: string, handle: number): void => {
      const inode = this.open.remove(handle);
      const released = inode === undefined ? Effect.void : this.operations.release(inode);
      const last = inode !== undefined && this.open.countOf(inode) === 0;
      const effect = Effect.andThen(
        released,
        Effect.suspend(() => (last ? this.hidden.closed(inode) : undefined) ?? Effect.void),
      );
      this.answer("release", request, effect, () => [0]);
    },
    fsync: (request: Request, _path: string, _dataOnly: number, handle: number): void =>
      this.done("fsync", request, () => this.onHandle(handle, (inode) => this.operations.fsync(inode))),
    fsyncdir: (request: Request, path: string): void =>
      this.done("fsyncdir", request, () => Effect.flatMap(this.inode(path), (inode) => this.operations.fsync(inode))),
    readdir: (request: Request, path: string): void => {
      const effect = (): Located<Listing> => Effect.flatMap(this.inode(path), (inode) => this.list(inode));
      this.named("readdir", request, effect, ({ names, stats }) => [0, names, stats], [], []);
    },
    statfs: (request: Request): void =>
      this.answer("statfs", request, this.operations.statfs, (found) => [0, statfsOf(found)], NO_STATFS),
    init: (request: Request): void => this.binding.signal("init")(request, 0),
  };

  private list(inode: number): Fs<Listing> {
    const parent = inode === ROOT_INODE ? Effect.succeed(ROOT_INODE) : this.operations.parentOf(inode);
    return Effect.flatMap(parent, (above) =>
      Effect.map(this.operations.listing(inode), (entries) => {
        const names: Array<string> = [".", ".."];
        const stats: Array<Uint32Array> = [
          entryStatOf(inode, FileType.directory),
          entryStatOf(above, FileType.directory),
        ];
        for (const entry of entries) {
          names.push(decoder.decode(entry.name));
          stats.push(entryStatOf(entry.inode, entry.type));
        }
        return { names, stats };
      }),
    );
  }

  handlers(): Handlers {
    return { ...this.names, ...this.attributeChanges, ...this.files };
  }
}

const isDirectory = ({ mode }: Attributes): boolean => (mode & FileType.mask) === FileType.directory;

interface Listing {
  readonly names: ReadonlyArray<string>;
  readonly stats: ReadonlyArray<Uint32Array>;
}

/** Puts parts into a caller's buffer; a buffer of no length only asks how long it must be. */
function fill(room: Uint8Array, parts: ReadonlyArray<Uint8Array>): Fs<number> {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (room.length === 0) return Effect.succeed(length);
  if (length > room.length) return Effect.fail(new FsError("ResultTooLarge"));
  let at = 0;
  for (const part of parts) {
    room.set(part, at);
    at += part.length;
  }
  return Effect.succeed(length);
}

function withNul(name: Uint8Array): Uint8Array {
  const terminated = new Uint8Array(name.length + 1);
  terminated.set(name);
  return terminated;
}

/** A symlink's target as the C code takes it: text that fits its buffer. */
function textOf(target: Uint8Array): Located<string> {
  const text = decoder.decode(target);
  if (text.includes(REPLACEMENT)) return Effect.fail(new Refused(Errno.EILSEQ));
  if (target.length > SYMLINK_BUFFER_BYTES) return Effect.fail(new Refused(Errno.ENAMETOOLONG));
  return Effect.succeed(text);
}

export function makeNativeTransport(
  filesystem: Filesystem,
  binding: Binding,
  services: TransportServices,
  options: TransportOptions,
): NativeTransport {
  const transport = new Transport(filesystem, binding, services, options);
  return { handlers: transport.handlers(), close: transport.close() };
}
