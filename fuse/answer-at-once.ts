/**
 * Answers to the commonest requests, on the stack that took them, where nothing must be waited for.
 */
import type { AtOnce } from "../engine/fs/at-once.ts";
import { FsError } from "../engine/fs/types.ts";
import { errnoOfReason } from "./errno.ts";
import type { KernelReferences } from "./kernel-references.ts";
import type { Notifier } from "./notifier.ts";
import { Opcode, WriteFlag } from "./protocol/opcodes.ts";
import { encodeAttributes, encodeCount, encodeEntry, encodeNoEntry, type Lifetimes } from "./protocol/reply.ts";
import { isDots, type KernelRequest } from "./protocol/request.ts";

export interface Answering {
  readonly engine: AtOnce;
  readonly options: Lifetimes & { readonly writebackCache: boolean };
  readonly references: KernelReferences;
  readonly notifier: Notifier | undefined;
}

const errnoIn = (error: FsError | undefined): number | undefined =>
  error === undefined ? undefined : errnoOfReason(error.reason);

/** The answer, or an error number, to what need not wait; `undefined` if it must, or cannot be decoded. */
export function answerAtOnce(request: KernelRequest, answering: Answering): Uint8Array | number | undefined {
  try {
    switch (request.opcode) {
      case Opcode.getattr: {
        const { engine, options } = answering;
        const found = engine.getattr(request.inode);
        return found === undefined || found instanceof FsError ? errnoIn(found) : encodeAttributes(found, options);
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
      default:
        return undefined;
    }
  } catch {
    // It is told the other way.
    return undefined;
  }
}

function lookup(request: KernelRequest, { engine, options, references }: Answering): Uint8Array | number | undefined {
  const name = request.name();
  if (isDots(name)) return undefined;
  const found = engine.lookup(request.inode, name);
  if (found === undefined) return undefined;
  if (found instanceof FsError) return found.reason === "NoEntry" ? encodeNoEntry(options) : errnoIn(found);
  references.told(found.inode);
  return encodeEntry(found, options);
}

function write(request: KernelRequest, { engine, options, notifier }: Answering): Uint8Array | number | undefined {
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
