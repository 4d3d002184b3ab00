/**
 * A toy `Filesystem` in memory, against which the oracle itself is tested; not an engine, and used by tests alone.
 *
 * Every change is a closure in a log. A crash replays some of the log on an empty state, so a test can make any state
 * that the law allows, and any that it forbids, by choosing entries or by planting closures of its own. Written apart
 * from the reference filesystem, in another manner, so that both would have to be wrong in the same way.
 */
import * as Effect from "effect/Effect";
import {
  type Attributes,
  FileType,
  type Filesystem,
  type Fs,
  FsError,
  ROOT_INODE,
  type Timestamp,
} from "../../engine/fs/types.ts";
import { compressionOfValue, isCompressionAttribute } from "../../engine/fs/compression-attribute.ts";
import { bytesOf, shownXattrs, textOf } from "./inode.ts";

export interface ToyNode {
  mode: number;
  uid: number;
  gid: number;
  rdev: number;
  links: number;
  compression: number;
  opens: number;
  parent: number;
  bytes: Uint8Array;
  target: Uint8Array;
  accessed: Timestamp;
  modified: Timestamp;
  readonly names: Map<string, number>;
  readonly xattrs: Map<string, Uint8Array>;
}

export type ToyState = Map<number, ToyNode>;

export interface ToyChange {
  readonly kind: "namespace" | "write";
  /** The regular file whose data it writes, or must have on disk before it. */
  readonly file: number | undefined;
  readonly apply: (state: ToyState) => void;
}

export interface ToySync {
  /** Length of the log when it started. */
  readonly started: number;
  /** Undefined: everything. */
  readonly file: number | undefined;
}

const isDirectory = (node: Pick<ToyNode, "mode">): boolean => (node.mode & FileType.mask) === FileType.directory;
const isRegular = (node: Pick<ToyNode, "mode">): boolean => (node.mode & FileType.mask) === FileType.regular;
const isCompressible = (node: Pick<ToyNode, "mode">): boolean => isDirectory(node) || isRegular(node);

const at = (seconds: number): Timestamp => ({ seconds, nanoseconds: 0 });
const TIMES = { accessed: at(0), modified: at(0) };

function freshNode(mode: number, owner: { uid: number; gid: number }, parent: number): ToyNode {
  const links = (mode & FileType.mask) === FileType.directory ? 2 : 1;
  const [bytes, target] = [new Uint8Array(0), new Uint8Array(0)];
  return {
    mode,
    ...owner,
    rdev: 0,
    compression: 0,
    links,
    opens: 0,
    parent,
    bytes,
    target,
    ...TIMES,
    names: new Map(),
    xattrs: new Map(),
  };
}

function emptyState(): ToyState {
  return new Map([[ROOT_INODE, freshNode(FileType.directory | 0o755, { uid: 0, gid: 0 }, ROOT_INODE)]]);
}

function resize(node: ToyNode, size: number): void {
  const bytes = new Uint8Array(size);
  bytes.set(node.bytes.subarray(0, size));
  node.bytes = bytes;
}

function dropIfGone(state: ToyState, number: number): void {
  const node = state.get(number);
  if (node !== undefined && node.links === 0 && node.opens === 0) state.delete(number);
}

export class ToyFilesystem {
  readonly state: ToyState;
  readonly log: Array<ToyChange> = [];
  readonly syncs: Array<ToySync> = [];
  private numbers = ROOT_INODE;
  /** Inodes that never had a name. */
  private readonly nameless = new Set<number>();
  private clock = 0;

  constructor(state: ToyState = emptyState()) {
    this.state = state;
  }

  /** What a crash leaves that lets these changes survive, in their order. */
  static replay(changes: Iterable<ToyChange>): ToyFilesystem {
    const toy = new ToyFilesystem();
    for (const change of changes) change.apply(toy.state);
    for (const [number, node] of toy.state) if (node.links === 0) toy.state.delete(number);
    return toy;
  }

  /** Inode number of a path. */
  number(path: string): number {
    let number = ROOT_INODE;
    for (const name of path.split("/").filter((part) => part !== "")) number = this.node(number).names.get(name) ?? 0;
    return number;
  }

  node(number: number): ToyNode {
    const node = this.state.get(number);
    if (node === undefined) throw new FsError("NoEntry");
    return node;
  }

  filesystemFor(observer: { linearized(): void }): Filesystem {
    const run = <A>(body: () => A): Fs<A> =>
      Effect.suspend(() => {
        let answer: A;
        try {
          answer = body();
        } catch (error) {
          if (!(error instanceof FsError)) throw error;
          observer.linearized();
          return Effect.fail(error);
        }
        observer.linearized();
        return Effect.succeed(answer);
      });
    return { ...this.reading(run), ...this.naming(run), ...this.writing(run) };
  }

  private change(kind: ToyChange["kind"], file: number | undefined, apply: (state: ToyState) => void): void {
    this.log.push({ kind, file, apply });
    apply(this.state);
  }

  /** A change of names, by which directories are modified. */
  private changeNames(
    directories: ReadonlyArray<number>,
    file: number | undefined,
    apply: (state: ToyState) => void,
  ): void {
    const now = at(++this.clock);
    this.change("namespace", file, (state) => {
      apply(state);
      for (const directory of directories) (state.get(directory) as ToyNode).modified = now;
    });
  }

  private directory(number: number): ToyNode {
    const node = this.node(number);
    if (!isDirectory(node)) throw new FsError("NotDirectory");
    return node;
  }

  private regular(number: number): ToyNode {
    const node = this.node(number);
    if (!isRegular(node)) throw new FsError(isDirectory(node) ? "IsDirectory" : "InvalidArgument");
    return node;
  }

  private child(parent: number, name: Uint8Array): number {
    const number = this.directory(parent).names.get(textOf(name));
    if (number === undefined) throw new FsError("NoEntry");
    return number;
  }

  private attributes(number: number): Attributes {
    const node = this.node(number);
    const sizeBytes = isRegular(node) ? node.bytes.length : isDirectory(node) ? node.names.size : node.target.length;
    const { mode, links, uid, gid, rdev, compression, accessed, modified } = node;
    const times = { accessed, modified, changed: at(++this.clock), born: at(0) };
    const owned = { uid, gid, rdev, compression };
    return { inode: number, mode, links, ...owned, sizeBytes, allocatedBytes: sizeBytes, ...times };
  }

  private reading(
    run: <A>(body: () => A) => Fs<A>,
  ): Pick<
    Filesystem,
    "lookup" | "getattr" | "readlink" | "readdir" | "parentOf" | "read" | "seek" | "getxattr" | "listxattr" | "statfs"
  > {
    return {
      lookup: (parent, name) => run(() => this.attributes(this.child(parent, name))),
      getattr: (inode) => run(() => this.attributes(inode)),
      parentOf: (inode) => run(() => this.directory(inode).parent),
      read: (inode, offset, length) => run(() => this.regular(inode).bytes.slice(offset, offset + length)),
      readlink: (inode) =>
        run(() => {
          const node = this.node(inode);
          if ((node.mode & FileType.mask) !== FileType.symlink) throw new FsError("InvalidArgument");
          return node.target;
        }),
      readdir: (inode, cookie, countMax) =>
        run(() =>
          [...this.directory(inode).names]
            .map(([name, number]) => ({ name, number, cookie: number * 1000 + name.length * 100 + name.charCodeAt(0) }))
            .toSorted((one, other) => one.cookie - other.cookie)
            .filter((entry) => entry.cookie > cookie)
            .slice(0, countMax)
            .map((entry) => ({
              name: bytesOf(entry.name),
              inode: entry.number,
              type: this.node(entry.number).mode & FileType.mask,
              cookie: entry.cookie,
            })),
        ),
      seek: (inode, offset, what) =>
        run(() => {
          const { bytes } = this.regular(inode);
          if (offset >= bytes.length) throw new FsError("NoSuchOffset");
          const found = bytes.findIndex((byte, at) => at >= offset && (byte === 0) === (what === "hole"));
          if (found < 0 && what === "data") throw new FsError("NoSuchOffset");
          return found < 0 ? bytes.length : found;
        }),
      getxattr: (inode, name) =>
        run(() => {
          const value = shownXattrs(this.node(inode)).get(textOf(name));
          if (value === undefined) throw new FsError("NoAttribute");
          return value;
        }),
      listxattr: (inode) => run(() => [...shownXattrs(this.node(inode)).keys()].map(bytesOf)),
      statfs: run(() => ({
        blockBytes: 4096,
        totalBytes: 2 ** 30,
        freeBytes: 2 ** 29,
        availableBytes: 2 ** 29,
        inodes: this.state.size,
        nameBytesMax: 255,
      })),
    };
  }

  private create(parent: number, name: Uint8Array, node: Omit<ToyNode, "names" | "xattrs">): Attributes {
    const key = textOf(name);
    const directory = this.directory(parent);
    if (directory.names.has(key)) throw new FsError("Exists");
    if (directory.links === 0) throw new FsError("NoEntry");
    const number = ++this.numbers;
    const compression = isCompressible(node) ? directory.compression : 0;
    this.changeNames([parent], undefined, (state) => {
      state.set(number, { ...node, compression, names: new Map(), xattrs: new Map() });
      const above = state.get(parent) as ToyNode;
      above.names.set(key, number);
      if ((node.mode & FileType.mask) === FileType.directory) above.links++;
    });
    return this.attributes(number);
  }

  private remove(parent: number, name: Uint8Array, directory: boolean): void {
    const number = this.child(parent, name);
    const node = this.node(number);
    if (isDirectory(node) !== directory) throw new FsError(directory ? "NotDirectory" : "IsDirectory");
    if (node.names.size > 0) throw new FsError("NotEmpty");
    this.changeNames([parent], undefined, (state) => {
      const above = state.get(parent) as ToyNode;
      const gone = state.get(number) as ToyNode;
      above.names.delete(textOf(name));
      gone.links = directory ? 0 : gone.links - 1;
      if (directory) above.links--;
      dropIfGone(state, number);
    });
  }

  private isWithin(number: number, other: number): boolean {
    let at = number;
    while (at !== other && at !== ROOT_INODE) at = this.node(at).parent;
    return at === other;
  }

  private rename(parent: number, name: Uint8Array, newParent: number, newName: Uint8Array, mode: string): void {
    const [from, to] = [this.directory(parent), this.directory(newParent)];
    const source = this.child(parent, name);
    const target = to.names.get(textOf(newName));
    const sourceNode = this.node(source);
    const targetNode = target === undefined ? undefined : this.node(target);
    if (to.links === 0 || (mode === "exchange" && target === undefined)) throw new FsError("NoEntry");
    if (isDirectory(sourceNode) && this.isWithin(newParent, source)) throw new FsError("InvalidArgument");
    if (mode === "no-replace" && target !== undefined) throw new FsError("Exists");
    if (mode === "exchange" && isDirectory(targetNode as ToyNode) && this.isWithin(parent, target as number)) {
      throw new FsError("InvalidArgument");
    }
    if (source === target) return;
    if ((mode === "replace" || mode === "whiteout") && targetNode !== undefined) {
      if (targetNode.names.size > 0) throw new FsError("NotEmpty");
      if (isDirectory(targetNode) && !isDirectory(sourceNode)) throw new FsError("IsDirectory");
      if (!isDirectory(targetNode) && isDirectory(sourceNode)) throw new FsError("NotDirectory");
    }
    const exchanges = mode === "exchange";
    const whiteout = mode === "whiteout" ? ++this.numbers : undefined;
    const waitsFor = target !== undefined && !exchanges && isRegular(sourceNode) ? source : undefined;
    void from;
    this.changeNames([parent, newParent], waitsFor, (state) => {
      const put = (directory: number, key: string, number: number | undefined): void => {
        const node = state.get(directory) as ToyNode;
        const before = node.names.get(key);
        if (before !== undefined && isDirectory(state.get(before) as ToyNode)) node.links--;
        if (number === undefined) return void node.names.delete(key);
        node.names.set(key, number);
        const moved = state.get(number) as ToyNode;
        if (!isDirectory(moved)) return;
        node.links++;
        moved.parent = directory;
      };
      if (whiteout !== undefined) {
        const left = freshNode(FileType.character, { uid: 0, gid: 0 }, parent);
        state.set(whiteout, { ...left, names: new Map(), xattrs: new Map() });
      }
      put(parent, textOf(name), exchanges ? target : whiteout);
      put(newParent, textOf(newName), source);
      if (exchanges || target === undefined) return;
      const gone = state.get(target) as ToyNode;
      gone.links = isDirectory(gone) ? 0 : gone.links - 1;
      dropIfGone(state, target);
    });
  }

  private naming(
    run: <A>(body: () => A) => Fs<A>,
  ): Pick<
    Filesystem,
    | "mknod"
    | "mkdir"
    | "symlink"
    | "tmpfile"
    | "link"
    | "unlink"
    | "rmdir"
    | "rename"
    | "setxattr"
    | "removexattr"
    | "open"
    | "release"
  > {
    return {
      mknod: (parent, name, mode, rdev, owner) =>
        run(() => {
          const device = [FileType.block, FileType.character].some((type) => type === (mode & FileType.mask));
          return this.create(parent, name, { ...freshNode(mode, owner, parent), rdev: device ? rdev : 0 });
        }),
      mkdir: (parent, name, mode, owner) =>
        run(() => this.create(parent, name, freshNode(FileType.directory | mode, owner, parent))),
      symlink: (parent, name, target, owner) =>
        run(() => this.create(parent, name, { ...freshNode(FileType.symlink | 0o777, owner, parent), target })),
      tmpfile: (parent, mode, owner) =>
        run(() => {
          const { links, compression } = this.directory(parent);
          if (links === 0) throw new FsError("NoEntry");
          const number = ++this.numbers;
          this.nameless.add(number);
          const node = { ...freshNode(FileType.regular | mode, owner, parent), compression, links: 0, opens: 1 };
          this.change("namespace", undefined, (state) => {
            state.set(number, { ...node, names: new Map(), xattrs: new Map() });
          });
          return this.attributes(number);
        }),
      link: (inode, parent, name) =>
        run(() => {
          const directory = this.directory(parent);
          const node = this.node(inode);
          if (isDirectory(node)) throw new FsError("NotPermitted");
          if (directory.names.has(textOf(name))) throw new FsError("Exists");
          if ((node.links === 0 && !this.nameless.delete(inode)) || directory.links === 0) throw new FsError("NoEntry");
          this.changeNames([parent], undefined, (state) => {
            (state.get(parent) as ToyNode).names.set(textOf(name), inode);
            (state.get(inode) as ToyNode).links++;
          });
          return this.attributes(inode);
        }),
      unlink: (parent, name) => run(() => this.remove(parent, name, false)),
      rmdir: (parent, name) => run(() => this.remove(parent, name, true)),
      rename: (parent, name, newParent, newName, mode) =>
        run(() => this.rename(parent, name, newParent, newName, mode)),
      ...this.keeping(run),
    };
  }

  private keeping(run: <A>(body: () => A) => Fs<A>): Pick<Filesystem, "setxattr" | "removexattr" | "open" | "release"> {
    return {
      setxattr: (inode, name, value, mode) =>
        run(() => {
          const node = this.node(inode);
          const has = shownXattrs(node).has(textOf(name));
          const compression = isCompressionAttribute(name) ? compressionOfValue(value) : undefined;
          if (isCompressionAttribute(name) && (compression === undefined || !isCompressible(node))) {
            throw new FsError("InvalidArgument");
          }
          if (mode === "create" && has) throw new FsError("Exists");
          if (mode === "replace" && !has) throw new FsError("NoAttribute");
          this.change("namespace", undefined, (state) => {
            if (compression === undefined) state.get(inode)?.xattrs.set(textOf(name), value);
            else Object.assign(state.get(inode) ?? {}, { compression });
          });
        }),
      removexattr: (inode, name) =>
        run(() => {
          if (!shownXattrs(this.node(inode)).has(textOf(name))) throw new FsError("NoAttribute");
          this.change("namespace", undefined, (state) => {
            if (isCompressionAttribute(name)) Object.assign(state.get(inode) ?? {}, { compression: 0 });
            else state.get(inode)?.xattrs.delete(textOf(name));
          });
        }),
      open: (inode) => run(() => void this.node(inode).opens++),
      release: (inode) =>
        run(() => {
          this.node(inode).opens--;
          dropIfGone(this.state, inode);
        }),
    };
  }

  private writing(
    run: <A>(body: () => A) => Fs<A>,
  ): Pick<Filesystem, "setattr" | "write" | "append" | "fallocate" | "fsync" | "syncfs"> {
    const write = (inode: number, offset: number, bytes: Uint8Array): void => {
      if (bytes.length === 0) return;
      const kept = bytes.slice();
      const modified = at(++this.clock);
      this.change("write", inode, (state) => writeInto(state, inode, offset, kept, modified));
    };
    const sync = (file: number | undefined): Fs<void> =>
      run(() => void this.syncs.push({ started: this.log.length, file }));
    return {
      setattr: (inode, { sizeBytes, mode, uid, gid, compression, accessed, modified }) =>
        run(() => {
          if (sizeBytes !== undefined) this.regular(inode);
          const before = this.node(inode);
          if (compression !== undefined && !isCompressible(before)) throw new FsError("InvalidArgument");
          const now = at(++this.clock);
          this.change("namespace", sizeBytes === undefined ? undefined : inode, (state) => {
            const node = state.get(inode);
            if (node === undefined) return;
            if (sizeBytes !== undefined) resize(node, sizeBytes);
            node.mode = mode === undefined ? node.mode : (node.mode & FileType.mask) | mode;
            node.uid = uid ?? node.uid;
            node.gid = gid ?? node.gid;
            node.compression = compression ?? node.compression;
            node.accessed = accessed ?? node.accessed;
            node.modified = modified ?? (sizeBytes === undefined ? node.modified : now);
          });
          return this.attributes(inode);
        }),
      write: (inode, offset, bytes) => run(() => (this.regular(inode), write(inode, offset, bytes))),
      append: (inode, bytes) =>
        run(() => {
          const at = this.regular(inode).bytes.length;
          write(inode, at, bytes);
          return at;
        }),
      fallocate: (inode, mode, offset, length, keepSize) =>
        run(() => {
          this.regular(inode);
          const now = at(++this.clock);
          this.change("namespace", inode, (state) => {
            const node = state.get(inode);
            if (node === undefined) return;
            node.modified = now;
            if (mode !== "punch" && !keepSize && offset + length > node.bytes.length) resize(node, offset + length);
            if (mode !== "allocate") node.bytes = node.bytes.slice().fill(0, offset, offset + length);
          });
        }),
      fsync: (inode) => Effect.suspend(() => (this.state.has(inode) ? sync(inode) : run(() => void this.node(inode)))),
      syncfs: sync(undefined),
    };
  }
}

/** Writes bytes into a file of a state, whatever else is in it. */
export function writeInto(state: ToyState, inode: number, offset: number, bytes: Uint8Array, modified = at(1)): void {
  const node = state.get(inode);
  if (node === undefined) return;
  if (offset + bytes.length > node.bytes.length) resize(node, offset + bytes.length);
  else node.bytes = node.bytes.slice();
  node.bytes.set(bytes, offset);
  node.modified = modified;
}
