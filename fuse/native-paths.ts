/**
 * From the paths of libfuse's high-level interface to inodes: directories by a cache, the last name by the engine.
 *
 * The cache maps paths of directories to inode numbers. This mount is the only writer, so an entry goes only when a
 * directory is removed or renamed here; an answer that was under way meanwhile is not remembered. Paths are UTF-8;
 * a name that is not reaches us with replacement characters in it and is refused rather than confused with another.
 */
import * as Effect from "effect/Effect";
import { type Attributes, FileType, type Fs, FsError, ROOT_INODE } from "../engine/fs/types.ts";
import { Errno, Refused } from "./errno.ts";
import type { Operations } from "./operations.ts";

/** Directories remembered; the cache starts afresh above it. */
const DIRECTORIES_MAX = 65_536;
const REPLACEMENT = "\uFFFD";

/** A name in a directory. */
export interface Place {
  readonly parent: number;
  readonly name: Uint8Array;
}

export type Located<A> = Effect.Effect<A, FsError | Refused>;

const encoder = new TextEncoder();

export class Paths {
  private readonly operations: Operations;
  private readonly directories: Map<string, number> = new Map([["", ROOT_INODE]]);
  /** Rises when a path stops leading where it led. */
  private epoch = 0;

  constructor(operations: Operations) {
    this.operations = operations;
  }

  /** Where the path's last name lies. Not for the root, which has no name. */
  place(path: string): Located<Place> {
    const slash = path.lastIndexOf("/");
    const text = path.slice(slash + 1);
    if (text === "") return Effect.fail(new FsError("InvalidArgument", "the root has no name"));
    if (text.includes(REPLACEMENT)) return Effect.fail(new Refused(Errno.EILSEQ));
    const name = encoder.encode(text);
    const parent = this.directories.get(path.slice(0, slash));
    if (parent !== undefined) return Effect.succeed({ parent, name });
    return Effect.map(this.directory(path.slice(0, slash)), (found) => ({ parent: found, name }));
  }

  attributes(path: string): Located<Attributes> {
    if (path === "/") return this.operations.getattr(ROOT_INODE);
    return Effect.flatMap(this.place(path), ({ parent, name }) => this.operations.lookup(parent, name));
  }

  inode(path: string): Located<number> {
    const known = this.directories.get(path === "/" ? "" : path);
    if (known !== undefined) return Effect.succeed(known);
    return Effect.map(this.attributes(path), ({ inode }) => inode);
  }

  private directory(path: string): Located<number> {
    const known = this.directories.get(path);
    if (known !== undefined) return Effect.succeed(known);
    const epoch = this.epoch;
    return Effect.flatMap(this.attributes(path), ({ inode, mode }): Fs<number> => {
      if ((mode & FileType.mask) !== FileType.directory) return Effect.fail(new FsError("NotDirectory"));
      if (this.epoch === epoch) this.remember(path, inode);
      return Effect.succeed(inode);
    });
  }

  private remember(path: string, inode: number): void {
    // What lies above a remembered path is always remembered too; so a full cache is emptied, not added to.
    if (this.directories.size >= DIRECTORIES_MAX) this.forgetAll();
    else this.directories.set(path, inode);
  }

  /** A directory was removed. */
  removed(path: string): void {
    this.epoch++;
    this.directories.delete(path);
  }

  /** Something was renamed: if it was a directory, all that lies below it is elsewhere now. */
  renamed(path: string, newPath: string): void {
    this.epoch++;
    if (this.directories.has(path) || this.directories.has(newPath)) this.forgetAll();
  }

  private forgetAll(): void {
    this.directories.clear();
    this.directories.set("", ROOT_INODE);
  }
}
