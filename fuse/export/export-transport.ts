/**
 * Answers the kernel for a directory that holds one file, `disk`: every read, write, fsync and punched hole of it is
 * passed on to a `ServedDisk`, in the order of arrival.
 *
 * The file is opened for direct I/O, so that nothing is kept or gathered above: what is served is what was asked.
 * Closing a descriptor (FUSE_FLUSH) is not a sync and is refused as unknown, after which the kernel no longer tells of
 * it. Names cannot be made or taken away, and the file keeps its size. Every request is answered before `take` returns.
 */
import * as Effect from "effect/Effect";
import type { ServedDisk } from "../../devices/record/served-disk.ts";
import { type Attributes, FileType, ROOT_INODE } from "../../engine/fs/types.ts";
import { Errno } from "../errno.ts";
import {
  InitFlag,
  Opcode,
  OpenAnswer,
  PROTOCOL_MAJOR,
  PROTOCOL_MINOR,
  PROTOCOL_MINOR_LEAST,
  SetattrField,
} from "../protocol/opcodes.ts";
import {
  encodeAttributes,
  encodeCount,
  encodeEntry,
  encodeInit,
  encodeOpen,
  encodeStatistics,
  EntryWriter,
  header,
} from "../protocol/reply.ts";
import { KernelRequest } from "../protocol/request.ts";
import { FallocateFlag } from "../requests.ts";

export const FILE_NAME = "disk";
const FILE_INODE = 2;
const BLOCK_BYTES = 4096;
/** Largest read and write: what the kernel's limit of pages allows. */
const REQUEST_BYTES_MAX = 1024 * 1024;
const BACKGROUND_MAX = 64;
const FLAGS_WANTED = InitFlag.asyncRead | InitFlag.bigWrites | InitFlag.maxPages | InitFlag.asyncDirectIo;
/** Nothing changes behind the kernel's back. */
const LIFETIMES = { entrySeconds: 3600, attributeSeconds: 3600 };
const EMPTY = new Uint8Array(0);
const NEVER = { seconds: 0, nanoseconds: 0 };
const UNANSWERED: ReadonlySet<number> = new Set([Opcode.forget, Opcode.batchForget, Opcode.interrupt]);

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const NAMES = [
  { name: encode("."), inode: ROOT_INODE, type: FileType.directory, cookie: 1 },
  { name: encode(".."), inode: ROOT_INODE, type: FileType.directory, cookie: 2 },
  { name: encode(FILE_NAME), inode: FILE_INODE, type: FileType.regular, cookie: 3 },
];

type Answer = (...parts: ReadonlyArray<Uint8Array>) => boolean;
/** The body of an answer, or an error number. */
type Handle = (request: KernelRequest) => Uint8Array | number;

export class ExportTransport {
  private readonly report: (line: string) => void;
  private served: ServedDisk;
  private closed = false;

  constructor(disk: ServedDisk, report: (line: string) => void) {
    this.served = disk;
    this.report = report;
  }

  /** Puts another disk of the same size in place. Nobody may be using the file in the meantime. */
  serve(disk: ServedDisk): void {
    if (disk.sizeBytes !== this.served.sizeBytes) throw new Error("the file cannot change its size");
    this.served = disk;
  }

  /** From now on every request fails. */
  readonly close: Effect.Effect<void> = Effect.sync(() => {
    this.closed = true;
  });

  take(message: Uint8Array, answer: Answer): void {
    const request = new KernelRequest(message);
    if (UNANSWERED.has(request.opcode)) return void answer();
    const result = this.resultOf(request);
    if (typeof result === "number") return void answer(header(request.view, result, 0));
    if (result.length === 0) return void answer(header(request.view, 0, 0));
    answer(header(request.view, 0, result.length), result);
  }

  private resultOf(request: KernelRequest): Uint8Array | number {
    const handle = this.handlers.get(request.opcode);
    if (handle === undefined) return Errno.ENOSYS;
    if (this.closed) return Errno.ENOTCONN;
    try {
      return handle(request);
    } catch (error) {
      this.report(`request ${request.opcode} failed: ${error instanceof Error ? error.message : String(error)}`);
      return Errno.EIO;
    }
  }

  private readonly handlers: ReadonlyMap<number, Handle> = new Map<number, Handle>([
    [Opcode.init, (request) => this.init(request)],
    [Opcode.destroy, () => EMPTY],
    [Opcode.lookup, (request) => this.lookup(request)],
    [Opcode.getattr, ({ inode }) => encodeAttributes(this.attributes(inode), LIFETIMES)],
    [Opcode.setattr, (request) => this.setattr(request)],
    [Opcode.statfs, () => this.statistics()],
    [Opcode.opendir, () => encodeOpen(0)],
    [Opcode.releasedir, () => EMPTY],
    [Opcode.readdir, (request) => list(request)],
    [Opcode.open, () => encodeOpen(OpenAnswer.directIo)],
    [Opcode.release, () => EMPTY],
    [Opcode.read, (request) => this.read(request)],
    [Opcode.write, (request) => this.write(request)],
    [Opcode.fsync, () => this.fsync()],
    [Opcode.fallocate, (request) => this.fallocate(request)],
  ]);

  private lookup(request: KernelRequest): Uint8Array | number {
    const name = new TextDecoder().decode(request.name());
    if (request.inode !== ROOT_INODE || name !== FILE_NAME) return Errno.ENOENT;
    return encodeEntry(this.attributes(FILE_INODE), LIFETIMES);
  }

  private setattr(request: KernelRequest): Uint8Array | number {
    const changesSize = (request.u32() & SetattrField.size) !== 0;
    return changesSize ? Errno.EPERM : encodeAttributes(this.attributes(request.inode), LIFETIMES);
  }

  private read(request: KernelRequest): Uint8Array {
    request.skip(8);
    const [offset, length] = [request.u64(), request.u32()];
    const end = Math.min(this.served.sizeBytes, offset + length);
    return end <= offset ? EMPTY : this.served.read(offset, end - offset);
  }

  private write(request: KernelRequest): Uint8Array | number {
    request.skip(8);
    const [offset, length] = [request.u64(), request.u32()];
    request.skip(20);
    if (offset + length > this.served.sizeBytes) return Errno.ENOSPC;
    this.served.write(offset, request.data(length));
    return encodeCount(length);
  }

  private fsync(): Uint8Array {
    this.served.flush();
    return EMPTY;
  }

  private fallocate(request: KernelRequest): Uint8Array | number {
    request.skip(8);
    const [offset, length, mode] = [request.u64(), request.u64(), request.u32()];
    const { keepSize, punchHole, zeroRange } = FallocateFlag;
    const clears = (mode & ~keepSize) === punchHole || (mode & ~keepSize) === zeroRange;
    if (!clears) return Errno.EOPNOTSUPP;
    const end = Math.min(this.served.sizeBytes, offset + length);
    if (end > offset) this.served.discard(offset, end - offset);
    return EMPTY;
  }

  private attributes(inode: number): Attributes {
    const file = inode === FILE_INODE;
    return {
      inode,
      mode: file ? FileType.regular | 0o600 : FileType.directory | 0o700,
      links: file ? 1 : 2,
      uid: 0,
      gid: 0,
      rdev: 0,
      compression: 0,
      sizeBytes: file ? this.served.sizeBytes : 0,
      allocatedBytes: file ? this.served.sizeBytes : 0,
      accessed: NEVER,
      modified: NEVER,
      changed: NEVER,
      born: NEVER,
    };
  }

  private statistics(): Uint8Array {
    const totalBytes = this.served.sizeBytes;
    return encodeStatistics({
      blockBytes: BLOCK_BYTES,
      totalBytes,
      freeBytes: 0,
      availableBytes: 0,
      inodes: 2,
      nameBytesMax: 255,
    });
  }

  private init(request: KernelRequest): Uint8Array | number {
    const [major, minor, readaheadBytes, offered] = [request.u32(), request.u32(), request.u32(), request.u32()];
    if (major !== PROTOCOL_MAJOR || minor < PROTOCOL_MINOR_LEAST) {
      this.report(`the kernel speaks version ${major}.${minor} of FUSE, too old`);
      return Errno.EPROTO;
    }
    return encodeInit(PROTOCOL_MAJOR, {
      minor: Math.min(minor, PROTOCOL_MINOR),
      readaheadBytes,
      flags: (FLAGS_WANTED & offered) >>> 0,
      writeBytesMax: REQUEST_BYTES_MAX,
      pagesMax: REQUEST_BYTES_MAX / BLOCK_BYTES,
      backgroundMax: BACKGROUND_MAX,
    });
  }
}

function list(request: KernelRequest): Uint8Array {
  request.skip(8);
  const [offset, room] = [request.u64(), request.u32()];
  const writer = new EntryWriter(room);
  for (const entry of NAMES.slice(offset)) if (!writer.add(entry)) break;
  return writer.finished;
}
