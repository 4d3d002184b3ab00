/**
 * What a tree holds, as plain data that can be sent to another process: names, attributes, content by checksums.
 *
 * Made from the filesystem's own interface, so that it can be taken of a pool that is open. Access times, change times,
 * inode numbers and space are left out: they are nobody's content. Paths are latin1, a character a byte.
 */
import * as Effect from "effect/Effect";
import { checksumOf } from "../../engine/format/codec.ts";
import { type Attributes, FileType, type Filesystem, type Fs, ROOT_INODE } from "../../engine/fs/types.ts";

/** A range of a file, and the checksum of what it holds. */
export type Piece = readonly [offsetBytes: number, lengthBytes: number, checksum: string];

export interface Entry {
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly sizeBytes: number;
  /** Seconds and nanoseconds. */
  readonly modified: string;
  /** Of a symbolic link. */
  readonly target?: string;
  /** Of a regular file; the data of a file that is mostly holes, and some of the holes. */
  readonly pieces?: ReadonlyArray<Piece>;
  /** Attributes by name; values as checksums. */
  readonly xattrs: Readonly<Record<string, string>>;
}

/** By path; the root's is empty. */
export type Manifest = Readonly<Record<string, Entry>>;

/** A file up to this size is read whole. */
const WHOLE_BYTES_MAX = 4 * 1024 * 1024;
const PIECE_BYTES = 128 * 1024;
/** Read of a hole in a file that is not read whole. */
const PROBE_BYTES = 4096;
const TYPE_MASK = 0o170000;
const ENTRIES_AT_ONCE = 100;

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
export const checksumText = (bytes: Uint8Array): string => checksumOf(bytes, 0, bytes.length).toString(16);

function piecesOf(fs: Filesystem, inode: number, sizeBytes: number): Fs<ReadonlyArray<Piece>> {
  return Effect.gen(function* () {
    const pieces: Array<Piece> = [];
    const take = (from: number, to: number): Fs<void> =>
      Effect.gen(function* () {
        for (let at = from; at < to; at += PIECE_BYTES) {
          const bytes = yield* fs.read(inode, at, Math.min(PIECE_BYTES, to - at));
          pieces.push([at, bytes.length, checksumText(bytes)]);
        }
      });
    if (sizeBytes <= WHOLE_BYTES_MAX) {
      yield* take(0, sizeBytes);
      return pieces;
    }
    for (let at = 0; at < sizeBytes;) {
      const found = yield* Effect.result(fs.seek(inode, at, "data"));
      const data = found._tag === "Success" ? found.success : sizeBytes;
      if (data > at) yield* take(at, Math.min(data, at + PROBE_BYTES));
      if (data >= sizeBytes) break;
      at = yield* fs.seek(inode, data, "hole");
      yield* take(data, at);
    }
    return pieces;
  });
}

function xattrsOf(fs: Filesystem, inode: number): Fs<Record<string, string>> {
  return Effect.gen(function* () {
    const xattrs: Record<string, string> = {};
    for (const name of yield* fs.listxattr(inode)) {
      xattrs[latin1(name)] = checksumText(yield* fs.getxattr(inode, name));
    }
    return xattrs;
  });
}

function entryOf(fs: Filesystem, attributes: Attributes): Fs<Entry> {
  const { inode, mode, links, uid, gid, rdev, sizeBytes, modified } = attributes;
  return Effect.gen(function* () {
    const type = mode & TYPE_MASK;
    const xattrs = yield* xattrsOf(fs, inode);
    const time = `${modified.seconds}.${modified.nanoseconds}`;
    const plain = { mode, links, uid, gid, rdev, sizeBytes, modified: time, xattrs };
    if (type === FileType.symlink) return { ...plain, target: latin1(yield* fs.readlink(inode)) };
    if (type === FileType.regular) return { ...plain, pieces: yield* piecesOf(fs, inode, sizeBytes) };
    return plain;
  });
}

/** Everything that can be reached from the root. */
export function manifestOf(fs: Filesystem): Fs<Manifest> {
  return Effect.gen(function* () {
    const manifest: Record<string, Entry> = {};
    const visits: Array<readonly [path: string, inode: number]> = [["", ROOT_INODE]];
    for (let visit = visits.pop(); visit !== undefined; visit = visits.pop()) {
      const [path, inode] = visit;
      const attributes = yield* fs.getattr(inode);
      manifest[path] = yield* entryOf(fs, attributes);
      if ((attributes.mode & TYPE_MASK) !== FileType.directory) continue;
      for (let cookie = 0; ;) {
        const entries = yield* fs.readdir(inode, cookie, ENTRIES_AT_ONCE);
        for (const { name, inode: below } of entries) visits.push([`${path}/${latin1(name)}`, below]);
        const last = entries.at(-1);
        if (last === undefined) break;
        cookie = last.cookie;
      }
    }
    return manifest;
  });
}
