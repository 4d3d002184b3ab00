/**
 * Requests that Linux has beyond POSIX: files without a name, fallocate, copies inside the server, statx, ioctl.
 *
 * Of the ioctls the kernel passes on, those are answered that have a true answer: a file's flags (`file-flags.ts`), its
 * project and what else came from XFS (it has none), and its generation (no inode number is used twice). What is unknown
 * is `ENOTTY`.
 *
 * Of fallocate and copies the kernel does not say, as it does of writes, whether the caller may keep a file's
 * set-user-ID bits: only root may.
 */
import * as Effect from "effect/Effect";
import type { FsError } from "../engine/fs/types.ts";
import { Errno, Refused } from "./errno.ts";
import type { Operations } from "./operations.ts";
import { Opcode, OpenAnswer } from "./protocol/opcodes.ts";
import {
  encodeCount,
  encodeCreated,
  encodeIoctl,
  encodeOffset,
  encodeStatx,
  type Lifetimes,
} from "./protocol/reply.ts";
import type { KernelRequest } from "./protocol/request.ts";

type Answer = Effect.Effect<Uint8Array, FsError | Refused>;
type Handle = (request: KernelRequest) => Answer;

/** Of linux/fs.h. */
const Ioctl = {
  getFlags: 0x8008_6601,
  getFlagsShort: 0x8004_6601,
  setFlags: 0x4008_6602,
  setFlagsShort: 0x4004_6602,
  getVersion: 0x8008_7601,
  getVersionShort: 0x8004_7601,
  getAttributes: 0x801c_581f,
  setAttributes: 0x401c_5820,
} as const;
/** Bytes of the answers. Of versions the requests say `long`, and programs have room for an `int`, as lsattr. */
const ANSWER_BYTES: ReadonlyMap<number, number> = new Map([
  [Ioctl.getVersion, 4],
  [Ioctl.getVersionShort, 4],
  [Ioctl.getAttributes, 28],
]);

const EMPTY = new Uint8Array(0);

/** The answers by opcode; `operations` are those of the request at hand, `nameless` hears of each inode that the kernel is told of and that has no name, `bared` of each whose mode the kernel no longer knows. */
export function linuxRequests(
  operations: () => Operations,
  lifetimes: Lifetimes,
  nameless: (inode: number) => void,
  bared: (inode: number) => void,
): ReadonlyArray<readonly [number, Handle]> {
  const changing = <A>(
    { uid, gid }: KernelRequest,
    inode: number,
    change: Effect.Effect<A, FsError>,
  ): typeof change => {
    if (uid === 0) return change;
    return Effect.flatMap(operations().dropPrivileges(inode, gid), (had) => {
      if (had) bared(inode);
      return change;
    });
  };
  const copied = (request: KernelRequest): Effect.Effect<number, FsError> => {
    request.skip(8);
    const [fromOffset, toInode] = [request.u64(), request.u64()];
    request.skip(8);
    const [toOffset, lengthBytes] = [request.u64(), request.u64()];
    const from = { inode: request.inode, offsetBytes: fromOffset };
    const to = { inode: toInode, offsetBytes: toOffset };
    return changing(request, toInode, operations().copyFileRange(from, to, lengthBytes));
  };
  return [
    [
      Opcode.fallocate,
      (request) => {
        request.skip(8);
        const [{ inode }, offset, length, flags] = [request, request.u64(), request.u64(), request.u32()];
        return Effect.as(changing(request, inode, operations().fallocate(inode, flags, offset, length)), EMPTY);
      },
    ],
    [
      Opcode.tmpfile,
      (request) => {
        const [, mode, umask] = [request.u32(), request.u32(), request.u32()];
        const made = operations().tmpfile(request.inode, mode, { uid: request.uid, gid: request.gid, umask });
        return Effect.map(made, (found) => {
          nameless(found.inode);
          return encodeCreated(found, lifetimes, OpenAnswer.keepCache);
        });
      },
    ],
    [Opcode.statx, ({ inode }) => Effect.map(operations().getattr(inode), (found) => encodeStatx(found, lifetimes))],
    [Opcode.copyFileRange, (request) => Effect.map(copied(request), encodeCount)],
    [Opcode.copyFileRangeWide, (request) => Effect.map(copied(request), encodeOffset)],
    [Opcode.ioctl, (request) => ioctl(operations(), request)],
  ];
}

function ioctl(operations: Operations, request: KernelRequest): Answer {
  request.skip(12);
  const command = request.u32();
  request.skip(8);
  const inBytes = request.u32();
  request.skip(4);
  const answerBytes = ANSWER_BYTES.get(command);
  if (answerBytes !== undefined) return Effect.succeed(encodeIoctl(new Uint8Array(answerBytes)));
  switch (command) {
    case Ioctl.getFlags:
    case Ioctl.getFlagsShort:
      return Effect.map(operations.fileFlags(request.inode), (flags) =>
        encodeIoctl(new Uint8Array(Uint32Array.of(flags).buffer)),
      );
    case Ioctl.setFlags:
    case Ioctl.setFlagsShort: {
      if (inBytes < 4) return Effect.fail(new Refused(Errno.EINVAL));
      const set = operations.setFileFlags(request.inode, request.u32(), request.uid);
      return Effect.as(set, encodeIoctl(EMPTY));
    }
    case Ioctl.setAttributes: {
      // Setting what is set already is no change.
      const unset = request.data(inBytes).every((byte) => byte === 0);
      return unset ? Effect.succeed(encodeIoctl(EMPTY)) : Effect.fail(new Refused(Errno.EOPNOTSUPP));
    }
    default:
      return Effect.fail(new Refused(Errno.ENOTTY));
  }
}
