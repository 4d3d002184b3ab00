/**
 * Answers to the commonest requests that only look, or write, on the stack that took them, where nothing must be waited
 * for; what changes names and attributes is in `change-at-once.ts`.
 */
import { FsError } from "../engine/fs/types.ts";
import { type AnswerAtOnce, type Answering, errnoIn } from "./answering.ts";
import { changeAtOnce } from "./change-at-once.ts";
import { Errno, errnoOfReason } from "./errno.ts";
import { Opcode, WriteFlag } from "./protocol/opcodes.ts";
import { encodeAttributes, encodeCount, encodeEntry, encodeNoEntry, encodeStatx } from "./protocol/reply.ts";
import { isDots, type KernelRequest } from "./protocol/request.ts";

const ACL_PREFIX = new TextEncoder().encode("system.posix_acl_");
const EMPTY = new Uint8Array(0);

export const isAcl = (name: Uint8Array): boolean => ACL_PREFIX.every((byte, at) => name[at] === byte);

/** The answer, in pieces perhaps, to what need not wait; `undefined` if it must, or cannot be decoded. */
export function answerAtOnce(request: KernelRequest, answering: Answering): AnswerAtOnce {
  try {
    switch (request.opcode) {
      case Opcode.getattr: {
        const { engine, options } = answering;
        const found = engine.getattr(request.inode);
        return found === undefined || found instanceof FsError ? errnoIn(found) : encodeAttributes(found, options);
      }
      case Opcode.statx: {
        const { engine, options } = answering;
        const found = engine.getattr(request.inode);
        return found === undefined || found instanceof FsError ? errnoIn(found) : encodeStatx(found, options);
      }
      case Opcode.lookup:
        return lookup(request, answering);
      case Opcode.read: {
        request.skip(8);
        const found = answering.engine.read(request.inode, request.u64(), request.u32());
        return found instanceof FsError ? errnoIn(found) : found;
      }
      case Opcode.write:
        return write(request, answering);
      case Opcode.getxattr:
        return getxattr(request, answering);
      case Opcode.release:
      case Opcode.releasedir:
        return EMPTY;
      default:
        return changeAtOnce(request, answering);
    }
  } catch {
    // It is told the other way.
    return undefined;
  }
}

function lookup(request: KernelRequest, { engine, options, references }: Answering): AnswerAtOnce {
  const name = request.name();
  if (isDots(name)) return undefined;
  const found = engine.lookup(request.inode, name);
  if (found === undefined) return undefined;
  if (found instanceof FsError) return found.reason === "NoEntry" ? encodeNoEntry(options) : errnoIn(found);
  references.told(found.inode);
  return encodeEntry(found, options);
}

function getxattr(request: KernelRequest, { engine, options }: Answering): AnswerAtOnce {
  const room = request.u32();
  request.skip(4);
  const name = request.name();
  if (isAcl(name) && !options.acls) return Errno.EOPNOTSUPP;
  const value = engine.getxattr(request.inode, name);
  if (value === undefined || value instanceof FsError) return errnoIn(value);
  if (room === 0) return encodeCount(value.length);
  return value.length <= room ? value : errnoOfReason("ResultTooLarge");
}

function write(request: KernelRequest, { engine, options, notifier }: Answering): AnswerAtOnce {
  request.skip(8);
  const [offset, length, flags] = [request.u64(), request.u32(), request.u32()];
  request.skip(16);
  const cached = (flags & WriteFlag.cache) !== 0;
  if (!cached && (flags & WriteFlag.killPrivileges) !== 0) return undefined;
  const kept = cached && options.writebackCache;
  const written = engine.write(request.inode, offset, request.data(length), kept);
  if (written !== true) return errnoIn(written);
  if (cached) notifier?.attributesDrift(request.inode);
  return encodeCount(length);
}
