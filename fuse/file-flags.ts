/**
 * What of a file's flags, as `chattr` and `lsattr` know them, Varve keeps: those about its compression.
 *
 * `c` is zstd, `m` none, neither as the mount says. Other flags cannot be kept. That of a file which nobody may change
 * could not be kept honestly: a kernel that opens files without asking, and gathers writes, would not hear of it in time.
 * Who may set flags newer kernels ask themselves; it is asked here too.
 */
import * as Effect from "effect/Effect";
import { choiceOf, packed, uncompressed } from "../engine/data/compression.ts";
import { Compression } from "../engine/format/superblock.ts";
import { OwnCompression, wayOf } from "../engine/format/values/own-compression.ts";
import { type Filesystem, type Fs, FsError } from "../engine/fs/types.ts";

/** Of linux/fs.h. */
export const FileFlag = { compressed: 0x4, uncompressed: 0x400 } as const;
const KEPT = FileFlag.compressed | FileFlag.uncompressed;

function flagsFor(compression: number): number {
  const way = wayOf(compression);
  if (way === OwnCompression.unset) return 0;
  return way === OwnCompression.none ? FileFlag.uncompressed : FileFlag.compressed;
}

/** The choice that flags ask for. */
function choiceFor(flags: number): number {
  if (flags === 0) return OwnCompression.unset;
  return packed(flags === FileFlag.uncompressed ? uncompressed : { ...choiceOf(Compression.zstd), adaptive: false });
}

export const fileFlags = (fs: Filesystem, inode: number): Fs<number> =>
  Effect.map(fs.getattr(inode), ({ compression }) => flagsFor(compression));

/** Flags that are set already stay as they are, and so does the level of a file that is compressed. */
export function setFileFlags(fs: Filesystem, inode: number, flags: number, uid: number): Fs<void> {
  if ((flags & ~KEPT) !== 0) return Effect.fail(new FsError("NotSupported", `file flags ${flags}`));
  if (flags === KEPT) return Effect.fail(new FsError("InvalidArgument", "compressed and not"));
  return Effect.flatMap(ownedBy(fs, inode, uid), ({ compression }) =>
    flagsFor(compression) === flags ? Effect.void : Effect.asVoid(fs.setattr(inode, { compression: choiceFor(flags) })),
  );
}

/** The attributes of an inode, if it is the user's, or the user root. */
export const ownedBy = (fs: Filesystem, inode: number, uid: number): ReturnType<Filesystem["getattr"]> =>
  Effect.flatMap(fs.getattr(inode), (found) =>
    uid === 0 || uid === found.uid ? Effect.succeed(found) : Effect.fail(new FsError("NotPermitted", "not the owner")),
  );
