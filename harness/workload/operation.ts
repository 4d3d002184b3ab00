/**
 * Operations of a workload as plain data, and the interpreter that carries one out on a `Filesystem`.
 *
 * An operation names files by path, or by handle ("@1": what this client holds open under that name), so that a list of
 * them can be printed, shrunk and run again. A path is resolved by lookups when the operation runs. The outcome is data
 * too: failures of the filesystem are outcomes, defects are not caught.
 */
import * as Effect from "effect/Effect";
import {
  type AttributeChanges,
  type FallocateMode,
  FileType,
  type Filesystem,
  type Fs,
  FsError,
  type FsReason,
  type RenameMode,
  ROOT_INODE,
} from "../../engine/fs/types.ts";
import { COMPRESSION_ATTRIBUTE, compressionValue } from "../../engine/fs/compression-attribute.ts";
import { bytesOf } from "../oracle/inode.ts";
import { patternBytes, type Texture } from "./pattern.ts";

/** "/a/b", or "@1" for what is open under that name. */
export type Target = string;

export interface Pattern {
  readonly tag: number;
  readonly lengthBytes: number;
  readonly texture: Texture;
}

export type Operation =
  | { readonly kind: "create"; readonly path: string; readonly mode?: number }
  | { readonly kind: "mkdir"; readonly path: string; readonly mode?: number }
  | {
      readonly kind: "mknod";
      readonly path: string;
      readonly type: "fifo" | "socket" | "block" | "character";
      readonly rdev: number;
    }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  | { readonly kind: "link"; readonly target: Target; readonly path: string }
  | { readonly kind: "unlink"; readonly path: string }
  | { readonly kind: "rmdir"; readonly path: string }
  | { readonly kind: "rename"; readonly from: string; readonly to: string; readonly mode: RenameMode }
  | { readonly kind: "whiteout"; readonly from: string; readonly to: string }
  /** A file without a name, made in a directory and held open under the handle. */
  | { readonly kind: "tmpfile"; readonly path: string; readonly handle: string }
  | { readonly kind: "write"; readonly target: Target; readonly offsetBytes: number; readonly pattern: Pattern }
  | { readonly kind: "append"; readonly target: Target; readonly pattern: Pattern }
  | { readonly kind: "truncate"; readonly target: Target; readonly sizeBytes: number }
  | {
      readonly kind: "fallocate";
      readonly target: Target;
      readonly mode: FallocateMode;
      readonly offsetBytes: number;
      readonly lengthBytes: number;
      readonly keepSize: boolean;
    }
  | { readonly kind: "read"; readonly target: Target; readonly offsetBytes: number; readonly lengthBytes: number }
  | { readonly kind: "seek"; readonly target: Target; readonly offsetBytes: number; readonly what: "data" | "hole" }
  | { readonly kind: "getattr"; readonly target: Target }
  | { readonly kind: "setattr"; readonly target: Target; readonly changes: AttributeChanges }
  /** A file's own compression, as rows have it; set as an attribute in words or as a number. */
  | { readonly kind: "compress"; readonly target: Target; readonly compression: number; readonly inWords: boolean }
  | { readonly kind: "readlink"; readonly target: Target }
  | { readonly kind: "readdir"; readonly target: Target; readonly countMax: number }
  | { readonly kind: "fsync"; readonly target: Target }
  | { readonly kind: "syncfs" }
  | { readonly kind: "open"; readonly path: string; readonly handle: string }
  | { readonly kind: "release"; readonly handle: string }
  | { readonly kind: "getxattr"; readonly target: Target; readonly name: string }
  | {
      readonly kind: "setxattr";
      readonly target: Target;
      readonly name: string;
      readonly pattern: Pattern;
      readonly mode: "set" | "create" | "replace";
    }
  | { readonly kind: "listxattr"; readonly target: Target }
  | { readonly kind: "removexattr"; readonly target: Target; readonly name: string }
  | { readonly kind: "statfs" }
  | { readonly kind: "sleep"; readonly milliseconds: number };

export type OperationKind = Operation["kind"];

export type Outcome = { readonly value: unknown } | { readonly reason: FsReason };

/** Whoever performs operations, with what it holds open. */
export interface Performer {
  readonly filesystem: Filesystem;
  /** Inode number by handle. */
  readonly handles: Map<string, number>;
  /** Hears each operation before it is carried out. */
  readonly note: ((operation: Operation) => void) | undefined;
}

const OWNER = { uid: 1000, gid: 100 };
const SPECIAL_TYPES = {
  fifo: FileType.fifo,
  socket: FileType.socket,
  block: FileType.block,
  character: FileType.character,
} as const;

export function performer(filesystem: Filesystem, note?: (operation: Operation) => void): Performer {
  return { filesystem, handles: new Map(), note };
}

export function perform(operation: Operation, by: Performer): Effect.Effect<Outcome> {
  by.note?.(operation);
  return Effect.match(carryOut(operation, by), {
    onSuccess: (value): Outcome => ({ value }),
    onFailure: (error): Outcome => ({ reason: error.reason }),
  });
}

function carryOut(operation: Operation, by: Performer): Fs<unknown> {
  switch (operation.kind) {
    case "sleep":
      return Effect.sleep(operation.milliseconds);
    case "syncfs":
      return by.filesystem.syncfs;
    case "statfs":
      return by.filesystem.statfs;
    case "release":
      return release(operation.handle, by);
    case "create":
    case "mkdir":
    case "mknod":
    case "symlink":
    case "link":
    case "unlink":
    case "rmdir":
    case "rename":
    case "whiteout":
    case "tmpfile":
    case "open":
      return onNames(operation, by);
    default:
      return Effect.flatMap(resolve(operation.target, by), (inode) => onInode(operation, inode, by.filesystem));
  }
}

type NameOperation = Extract<
  Operation,
  {
    kind:
      | "create"
      | "mkdir"
      | "mknod"
      | "symlink"
      | "link"
      | "unlink"
      | "rmdir"
      | "rename"
      | "whiteout"
      | "tmpfile"
      | "open";
  }
>;
type InodeOperation = Exclude<Operation, NameOperation | { kind: "sleep" | "syncfs" | "statfs" | "release" }>;

function onNames(operation: NameOperation, by: Performer): Fs<unknown> {
  const fs = by.filesystem;
  switch (operation.kind) {
    case "create":
      return at(operation.path, by, (parent, name) =>
        fs.mknod(parent, name, FileType.regular | (operation.mode ?? 0o644), 0, OWNER),
      );
    case "mkdir":
      return at(operation.path, by, (parent, name) => fs.mkdir(parent, name, operation.mode ?? 0o755, OWNER));
    case "mknod":
      return at(operation.path, by, (parent, name) =>
        fs.mknod(parent, name, SPECIAL_TYPES[operation.type] | 0o600, operation.rdev, OWNER),
      );
    case "symlink":
      return at(operation.path, by, (parent, name) => fs.symlink(parent, name, bytesOf(operation.target), OWNER));
    case "link":
      return Effect.flatMap(resolve(operation.target, by), (inode) =>
        at(operation.path, by, (parent, name) => fs.link(inode, parent, name)),
      );
    case "unlink":
      return at(operation.path, by, (parent, name) => fs.unlink(parent, name));
    case "rmdir":
      return at(operation.path, by, (parent, name) => fs.rmdir(parent, name));
    case "rename":
      return at(operation.from, by, (parent, name) =>
        at(operation.to, by, (newParent, newName) => fs.rename(parent, name, newParent, newName, operation.mode)),
      );
    case "whiteout":
      return at(operation.from, by, (parent, name) =>
        at(operation.to, by, (newParent, newName) => fs.rename(parent, name, newParent, newName, "whiteout")),
      );
    case "tmpfile":
      return tmpfile(operation.path, operation.handle, by);
    case "open":
      return open(operation.path, operation.handle, by);
  }
}

function onInode(operation: InodeOperation, inode: number, fs: Filesystem): Fs<unknown> {
  switch (operation.kind) {
    case "write":
      return fs.write(inode, operation.offsetBytes, bytesOfPattern(operation.pattern));
    case "append":
      return fs.append(inode, bytesOfPattern(operation.pattern));
    case "truncate":
      return fs.setattr(inode, { sizeBytes: operation.sizeBytes });
    case "fallocate":
      return fs.fallocate(inode, operation.mode, operation.offsetBytes, operation.lengthBytes, operation.keepSize);
    case "read":
      return fs.read(inode, operation.offsetBytes, operation.lengthBytes);
    case "seek":
      return fs.seek(inode, operation.offsetBytes, operation.what);
    case "getattr":
      return fs.getattr(inode);
    case "setattr":
      return fs.setattr(inode, operation.changes);
    case "compress":
      return operation.inWords
        ? fs.setxattr(
            inode,
            bytesOf(COMPRESSION_ATTRIBUTE),
            compressionValue(operation.compression) ?? new Uint8Array(0),
            "set",
          )
        : fs.setattr(inode, { compression: operation.compression });
    case "readlink":
      return fs.readlink(inode);
    case "readdir":
      return listing(inode, operation.countMax, fs);
    case "fsync":
      return fs.fsync(inode);
    case "getxattr":
      return fs.getxattr(inode, bytesOf(operation.name));
    case "setxattr":
      return fs.setxattr(inode, bytesOf(operation.name), bytesOfPattern(operation.pattern), operation.mode);
    case "listxattr":
      return fs.listxattr(inode);
    case "removexattr":
      return fs.removexattr(inode, bytesOf(operation.name));
  }
}

/** Calls `use` with the directory of a path and its last name. */
function at<A>(path: string, by: Performer, use: (parent: number, name: Uint8Array) => Fs<A>): Fs<A> {
  const cut = path.lastIndexOf("/");
  const name = bytesOf(path.slice(cut + 1));
  return Effect.flatMap(resolve(path.slice(0, cut), by), (parent) => use(parent, name));
}

function resolve(target: Target, by: Performer): Fs<number> {
  if (target.startsWith("@")) {
    const inode = by.handles.get(target.slice(1));
    return inode === undefined ? Effect.fail(new FsError("NoEntry", target)) : Effect.succeed(inode);
  }
  const names = target.split("/").filter((name) => name !== "");
  return lookedUp(names, by);
}

const lookedUp = Effect.fnUntraced(function* (names: ReadonlyArray<string>, by: Performer) {
  let inode = ROOT_INODE;
  for (const name of names) inode = (yield* by.filesystem.lookup(inode, bytesOf(name))).inode;
  return inode;
});

function open(path: string, handle: string, by: Performer): Fs<void> {
  if (by.handles.has(handle)) return Effect.fail(new FsError("Exists", `handle ${handle}`));
  return Effect.flatMap(resolve(path, by), (inode) =>
    Effect.map(by.filesystem.open(inode), () => {
      by.handles.set(handle, inode);
    }),
  );
}

function tmpfile(path: string, handle: string, by: Performer): Fs<void> {
  if (by.handles.has(handle)) return Effect.fail(new FsError("Exists", `handle ${handle}`));
  return Effect.flatMap(resolve(path, by), (parent) =>
    Effect.map(by.filesystem.tmpfile(parent, 0o600, OWNER), ({ inode }) => {
      by.handles.set(handle, inode);
    }),
  );
}

function release(handle: string, by: Performer): Fs<void> {
  const inode = by.handles.get(handle);
  if (inode === undefined) return Effect.fail(new FsError("NoEntry", `handle ${handle}`));
  by.handles.delete(handle);
  return by.filesystem.release(inode);
}

function listing(inode: number, countMax: number, fs: Filesystem): Fs<number> {
  return Effect.gen(function* () {
    let cookie = 0;
    for (let count = 0; ;) {
      const entries = yield* fs.readdir(inode, cookie, countMax);
      const last = entries[entries.length - 1];
      if (last === undefined) return count;
      count += entries.length;
      cookie = last.cookie;
    }
  });
}

function bytesOfPattern({ tag, lengthBytes, texture }: Pattern): Uint8Array {
  return patternBytes(tag, lengthBytes, texture);
}
