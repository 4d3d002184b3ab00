/**
 * Changes of names and attributes on the stack that took them, where nothing must be waited for and no ACL says more than
 * a mode.
 */
import { type Attributes, FsError } from "../engine/fs/types.ts";
import { type AnswerAtOnce, type Answering, errnoIn } from "./answering.ts";
import { Errno } from "./errno.ts";
import { bornIn, changesOf, directoryMode, nodeMode, RENAME_MODES } from "./operations.ts";
import { ACCESS_ACL, DEFAULT_ACL } from "./posix-acl.ts";
import { Opcode } from "./protocol/opcodes.ts";
import { encodeAttributes, encodeEntry } from "./protocol/reply.ts";
import { decodeSetattr, type KernelRequest } from "./protocol/request.ts";

const EMPTY = new Uint8Array(0);

export function changeAtOnce(request: KernelRequest, answering: Answering): AnswerAtOnce {
  switch (request.opcode) {
    case Opcode.setattr:
      return setattr(request, answering);
    case Opcode.create:
      // Told that this cannot be done, the kernel makes the file by mknod and opens it without a message: without
      // telling of its closing either.
      return answering.opensFilesSilently ? Errno.ENOSYS : undefined;
    case Opcode.mknod: {
      const [mode, rdev, umask] = [request.u32(), request.u32(), request.u32()];
      request.skip(4);
      return made(request, answering, nodeMode(mode), umask, rdev);
    }
    case Opcode.mkdir: {
      const [mode, umask] = [request.u32(), request.u32()];
      return made(request, answering, directoryMode(mode), umask);
    }
    case Opcode.unlink:
      return done(answering.engineFor(request).unlink(request.inode, request.name()));
    case Opcode.rmdir:
      return done(answering.engineFor(request).rmdir(request.inode, request.name()));
    case Opcode.rename:
      return rename(request, answering, request.u64(), 0);
    case Opcode.rename2: {
      const [directory, flags] = [request.u64(), request.u32()];
      request.skip(4);
      return rename(request, answering, directory, flags);
    }
    default:
      return undefined;
  }
}

const done = (answer: true | FsError | undefined): AnswerAtOnce => (answer === true ? EMPTY : errnoIn(answer));

const hasNoAttribute = (answer: Uint8Array | FsError | undefined): boolean =>
  answer instanceof FsError && answer.reason === "NoAttribute";

function setattr(request: KernelRequest, answering: Answering): AnswerAtOnce {
  const { engine, options, now } = answering;
  const { inode } = request;
  const set = decodeSetattr(request);
  if (set.killPrivileges === true || set.sizeBytes !== undefined) return undefined;
  if (set.mode !== undefined && !hasNoAttribute(engine.getxattr(inode, ACCESS_ACL))) return undefined;
  const found = answering.engineFor(request).setattr(inode, changesOf(set, now));
  return found === undefined || found instanceof FsError ? errnoIn(found) : encodeAttributes(found, options);
}

/** Makes what has `rdev`, or else a directory. */
function made(request: KernelRequest, answering: Answering, mode: number, umask: number, rdev?: number): AnswerAtOnce {
  const { engine, options, references } = answering;
  const { inode: parent, uid, gid } = request;
  const name = request.name();
  const directory = engine.getattr(parent);
  if (directory === undefined || directory instanceof FsError) return errnoIn(directory);
  if (options.acls && !hasNoAttribute(engine.getxattr(parent, DEFAULT_ACL))) return undefined;
  const { whole, owner } = bornIn(directory, mode, { uid, gid, umask });
  const changing = answering.engineFor(request);
  const bits = whole & ~umask;
  const found: Attributes | FsError | undefined =
    rdev === undefined ? changing.mkdir(parent, name, bits, owner) : changing.mknod(parent, name, bits, rdev, owner);
  if (found === undefined || found instanceof FsError) return errnoIn(found);
  references.told(found.inode);
  return encodeEntry(found, options);
}

function rename(request: KernelRequest, answering: Answering, newParent: number, flags: number): AnswerAtOnce {
  const [name, newName] = [request.name(), request.name()];
  const mode = RENAME_MODES.get(flags);
  if (mode === undefined) return undefined;
  return done(answering.engineFor(request).rename(request.inode, name, newParent, newName, mode));
}
