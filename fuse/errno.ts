/**
 * Error numbers of Linux, and which of them each failure of the filesystem becomes.
 *
 * The only place where a reason turns into a number. A defect, and a pool that went read-only, are `EIO` to whoever
 * waits; what really happened stands in the log.
 */
import * as Cause from "effect/Cause";
import type * as Exit from "effect/Exit";
import { FsError, type FsReason } from "../engine/fs/types.ts";

export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENOTTY: 25,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  EILSEQ: 84,
  EOPNOTSUPP: 95,
  ENOTCONN: 107,
} as const;

const ERRNO_OF_REASON: Readonly<Record<FsReason, number>> = {
  NoEntry: Errno.ENOENT,
  Exists: Errno.EEXIST,
  NotDirectory: Errno.ENOTDIR,
  IsDirectory: Errno.EISDIR,
  NotEmpty: Errno.ENOTEMPTY,
  NameTooLong: Errno.ENAMETOOLONG,
  InvalidArgument: Errno.EINVAL,
  NoSpace: Errno.ENOSPC,
  FileTooLarge: Errno.EFBIG,
  TooManyLinks: Errno.EMLINK,
  NoAttribute: Errno.ENODATA,
  ResultTooLarge: Errno.ERANGE,
  NotPermitted: Errno.EPERM,
  NoSuchOffset: Errno.ENXIO,
  ReadOnly: Errno.EROFS,
  NotSupported: Errno.EOPNOTSUPP,
  InputOutput: Errno.EIO,
};

/** The error number of a reason, positive as in errno.h. */
export const errnoOfReason = (reason: FsReason): number => ERRNO_OF_REASON[reason];

/** A transport refuses a request that never reaches the filesystem. */
export class Refused {
  readonly _tag = "Refused";
  readonly errno: number;
  constructor(errno: number) {
    this.errno = errno;
  }
}

/** The error number of an exit: 0 for a success. */
export function errnoOf(exit: Exit.Exit<unknown, unknown>): number {
  if (exit._tag === "Success") return 0;
  const failure = Cause.findErrorOption(exit.cause);
  if (failure._tag === "None") return Errno.EIO;
  if (failure.value instanceof Refused) return failure.value.errno;
  return failure.value instanceof FsError ? errnoOfReason(failure.value.reason) : Errno.EIO;
}

/** A failure in words, for a log. */
export function describeFailure(exit: Exit.Failure<unknown, unknown>): string {
  const words = exit.cause.reasons.map((reason) => {
    if (reason._tag === "Interrupt") return "interrupted";
    const what = reason._tag === "Die" ? reason.defect : reason.error;
    if (what instanceof Error) return what.stack ?? what.message;
    return what instanceof FsError ? `${what.reason} ${what.detail}`.trim() : JSON.stringify(what);
  });
  return words.join("; ");
}
