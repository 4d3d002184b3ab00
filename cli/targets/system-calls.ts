/**
 * Carries the operations of a workload out on a mounted filesystem, by real system calls, one after another.
 *
 * Synchronous throughout: it blocks its thread, so that must not be the thread that serves the disk below. Each
 * operation is expected to succeed; the first that does not ends the run, and its error is told.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import type { Operation } from "../../harness/workload/operation.ts";
import { patternBytes } from "../../harness/workload/pattern.ts";

/** What is known of one operation that was carried out. */
export interface Done {
  /** Length of the disk's record before it began and after it had returned. */
  readonly beganAt: number;
  readonly endedAt: number;
  /** Number of the inode that it made. */
  readonly inode: number | undefined;
}

export interface Run {
  readonly done: ReadonlyArray<Done>;
  /** Why the operation behind the last one done failed. */
  readonly failure: string | undefined;
}

export function carryOut(root: string, operations: ReadonlyArray<Operation>, recordLength: () => number): Run {
  const caller = new Caller(root);
  const done: Array<Done> = [];
  let failure: string | undefined;
  try {
    for (const operation of operations) {
      const beganAt = recordLength();
      const inode = caller.carryOut(operation);
      done.push({ beganAt, endedAt: recordLength(), inode });
    }
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  } finally {
    caller.closeAll();
  }
  return { done, failure };
}

class Caller {
  private readonly root: string;
  private readonly handles = new Map<string, number>();

  constructor(root: string) {
    this.root = root;
  }

  closeAll(): void {
    for (const descriptor of this.handles.values()) fs.closeSync(descriptor);
    this.handles.clear();
  }

  /** Returns the number of the inode that the operation makes, if it makes one. */
  carryOut(operation: Operation): number | undefined {
    switch (operation.kind) {
      case "create":
        return closing(
          fs.openSync(this.at(operation.path), fs.constants.O_CREAT | fs.constants.O_EXCL, operation.mode),
          (descriptor) => fs.fstatSync(descriptor).ino,
        );
      case "mkdir":
        fs.mkdirSync(this.at(operation.path), { mode: operation.mode ?? 0o755 });
        return fs.lstatSync(this.at(operation.path)).ino;
      case "symlink":
        fs.symlinkSync(operation.target, this.at(operation.path));
        return fs.lstatSync(this.at(operation.path)).ino;
      default:
        this.onNames(operation);
        return undefined;
    }
  }

  private onNames(operation: Operation): void {
    switch (operation.kind) {
      case "link":
        return fs.linkSync(this.at(operation.target), this.at(operation.path));
      case "unlink":
        return fs.unlinkSync(this.at(operation.path));
      case "rmdir":
        return fs.rmdirSync(this.at(operation.path));
      case "rename":
        return fs.renameSync(this.at(operation.from), this.at(operation.to));
      case "setattr":
        return fs.chmodSync(this.at(operation.target), operation.changes.mode!);
      case "open":
        this.handles.set(operation.handle, fs.openSync(this.at(operation.path), "r+"));
        return;
      case "release":
        fs.closeSync(this.handles.get(operation.handle)!);
        this.handles.delete(operation.handle);
        return;
      case "sleep":
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, operation.milliseconds);
        return;
      default:
        this.onContent(operation);
    }
  }

  private onContent(operation: Operation): void {
    switch (operation.kind) {
      case "write":
      case "append":
        return this.with(operation.target, "r+", (descriptor) => {
          const { tag, lengthBytes, texture } = operation.pattern;
          const bytes = patternBytes(tag, lengthBytes, texture);
          const from = operation.kind === "write" ? operation.offsetBytes : fs.fstatSync(descriptor).size;
          for (let written = 0; written < bytes.length;) {
            written += fs.writeSync(descriptor, bytes, written, bytes.length - written, from + written);
          }
        });
      case "truncate":
        return this.with(operation.target, "r+", (descriptor) => fs.ftruncateSync(descriptor, operation.sizeBytes));
      case "fsync":
        return this.with(operation.target, "r", (descriptor) => fs.fsyncSync(descriptor));
      case "syncfs":
        // Node has no such call; the program of coreutils makes it.
        execFileSync("sync", ["--file-system", this.root]);
        return;
      default:
        throw new Error(`${operation.kind} is not among the operations for other filesystems`);
    }
  }

  private at(path: string): string {
    return join(this.root, path);
  }

  private with(target: string, flags: string, use: (descriptor: number) => void): void {
    if (target.startsWith("@")) use(this.handles.get(target.slice(1))!);
    else closing(fs.openSync(this.at(target), flags), use);
  }
}

function closing<A>(descriptor: number, use: (descriptor: number) => A): A {
  try {
    return use(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
