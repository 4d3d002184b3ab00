/**
 * What requests are like, by their opcode.
 */
import { Opcode } from "./opcodes.ts";

/** Their answer tells the kernel of an inode, to which it refers from then on. */
export const TELLS_OF_INODE: ReadonlySet<number> = new Set([
  Opcode.tmpfile,
  Opcode.lookup,
  Opcode.mknod,
  Opcode.mkdir,
  Opcode.symlink,
  Opcode.link,
  Opcode.create,
]);
/** Requests that change something, and so must not be done twice. */
export const CHANGES: ReadonlySet<number> = new Set([
  Opcode.setattr,
  Opcode.symlink,
  Opcode.mknod,
  Opcode.mkdir,
  Opcode.unlink,
  Opcode.rmdir,
  Opcode.rename,
  Opcode.link,
  Opcode.open,
  Opcode.write,
  Opcode.setxattr,
  Opcode.removexattr,
  Opcode.create,
  Opcode.fallocate,
  Opcode.rename2,
  Opcode.tmpfile,
  Opcode.ioctl,
  Opcode.copyFileRange,
  Opcode.copyFileRangeWide,
]);
/** The kernel wants no answer. */
export const UNANSWERED: ReadonlySet<number> = new Set([Opcode.forget, Opcode.batchForget, Opcode.interrupt]);
