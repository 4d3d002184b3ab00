/**
 * copy_file_range inside the server: data that never goes through the caller's memory.
 *
 * Holes of the source are holes of the copy. A call copies as much as it can in a bounded time and says how much that
 * was; whoever asked for more asks again. The parts are copied one after another, so that others may see some of them.
 * Extents are not shared: they belong to one file each.
 */
import * as Effect from "effect/Effect";
import type { Filesystem, Fs, FsError } from "../engine/fs/types.ts";

const STEP_BYTES = 1024 * 1024;
/** A call reads and writes about this much at most; a step counts as a block at least. */
const CALL_BYTES = 8 * 1024 * 1024;
const BLOCK_BYTES = 4096;

export interface FilePlace {
  readonly inode: number;
  readonly offsetBytes: number;
}

/** Copies up to `lengthBytes`; answers how many it copied, 0 at the end of the source. */
export function copyRange(fs: Filesystem, from: FilePlace, to: FilePlace, lengthBytes: number): Fs<number> {
  return Effect.gen(function* () {
    const { sizeBytes } = yield* fs.getattr(from.inode);
    const length = Math.min(lengthBytes, sizeBytes - from.offsetBytes);
    let done = 0;
    for (let cost = 0; done < length && cost < CALL_BYTES;) {
      const target = to.offsetBytes + done;
      const at = from.offsetBytes + done;
      const data = Math.min(yield* dataAt(fs, from.inode, at, sizeBytes), from.offsetBytes + length);
      if (data > at) {
        yield* fs.fallocate(to.inode, "punch", target, data - at, true);
        done += data - at;
        cost += BLOCK_BYTES;
        continue;
      }
      const end = Math.min(yield* holeAt(fs, from.inode, at, sizeBytes), from.offsetBytes + length, at + STEP_BYTES);
      const bytes = yield* fs.read(from.inode, at, end - at);
      // Somebody has cut the source meanwhile.
      if (bytes.length === 0) break;
      yield* fs.write(to.inode, target, bytes);
      done += bytes.length;
      cost += Math.max(BLOCK_BYTES, bytes.length);
    }
    if (done > 0) yield* reachTo(fs, to.inode, to.offsetBytes + done);
    return done;
  });
}

const orEnd = (found: Fs<number>, end: number): Fs<number> =>
  Effect.catch(found, (error: FsError) => (error.reason === "NoSuchOffset" ? Effect.succeed(end) : Effect.fail(error)));

const dataAt = (fs: Filesystem, inode: number, at: number, end: number): Fs<number> =>
  orEnd(fs.seek(inode, at, "data"), end);

const holeAt = (fs: Filesystem, inode: number, at: number, end: number): Fs<number> =>
  orEnd(fs.seek(inode, at, "hole"), end);

/** Behind a hole that was copied last the file may still be too short. */
function reachTo(fs: Filesystem, inode: number, end: number): Fs<void> {
  return Effect.flatMap(fs.getattr(inode), ({ sizeBytes }) =>
    sizeBytes < end ? fs.write(inode, end - 1, new Uint8Array(1)) : Effect.void,
  );
}
