/**
 * The transport that speaks the kernel's protocol itself: requests by inode, answered through `Operations`.
 *
 * The kernel's node numbers are our inode numbers, so that there is little to remember: no table of names, no handles.
 * All names of a file are one file to the kernel, every change comes from it, and it may keep names and data for long. It
 * opens files without a word where it can; how often it was told of an inode and has not forgotten it says whether
 * anybody may still use it, and what has lost its last name stays until then. Takes whole messages and gives whole answers; who reads and writes them is `direct-session.ts`.
 * A request that cannot be decoded is answered with `EIO`, and what it was is reported.
 */
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import {
  type Attributes,
  type DirectoryEntry,
  FileType,
  type Filesystem,
  type Fs,
  FsError,
  ROOT_INODE,
  type Timestamp,
} from "../engine/fs/types.ts";
import type { AtOnce } from "../engine/fs/at-once.ts";
import type { Pool } from "../engine/pool/pool.ts";
import { answerAtOnce, isAcl } from "./answer-at-once.ts";
import { describeFailure, Errno, errnoOf, Refused } from "./errno.ts";
import type { Notifier } from "./notifier.ts";
import { KernelReferences } from "./kernel-references.ts";
import { linuxRequests } from "./linux-requests.ts";
import { Operations } from "./operations.ts";
import {
  InitFlag,
  MoreInitFlag,
  Opcode,
  OpenAnswer,
  PROTOCOL_MAJOR,
  PROTOCOL_MINOR,
  PROTOCOL_MINOR_LEAST,
  WriteFlag,
} from "./protocol/opcodes.ts";
import {
  answerOf,
  type Body,
  encodeAttributes,
  encodeCount,
  encodeCreated,
  encodeEntry,
  encodeInit,
  encodeNoEntry,
  encodeOffset,
  encodeOpen,
  encodeStatistics,
  entryInode,
  EntryWriter,
  header,
  type Lifetimes,
  listedInodes,
} from "./protocol/reply.ts";
import { CHANGES, TELLS_OF_INODE, UNANSWERED } from "./protocol/request-kinds.ts";
import { decodeSetattr, isDots, KernelRequest } from "./protocol/request.ts";
import type { Caller } from "./requests.ts";
import { Resending } from "./resending.ts";
import type { TransportServices } from "./transport.ts";

/** Largest write and read: what the kernel's limit of pages allows. */
export const WRITE_BYTES_MAX = 1024 * 1024;
/** How far ahead the kernel may read; what it does is a property of the mount (`mount-tuning.ts`). */
export const READAHEAD_BYTES = 4 * WRITE_BYTES_MAX;
const PAGE_BYTES = 4096;
const BACKGROUND_MAX = 64;
/** Bytes that an entry of a listing takes at least, and about. */
const ENTRY_BYTES_LEAST = 32;
const ENTRY_PLUS_BYTES = 168;
// Not atomicTruncate: who truncates by opening would leave a program its set-ID bits, since the kernel sends no setattr.
const FLAGS_WANTED =
  InitFlag.asyncRead |
  InitFlag.writebackCache |
  InitFlag.handleKillPrivileges |
  InitFlag.exportSupport |
  InitFlag.setxattrFlags |
  InitFlag.bigWrites |
  InitFlag.dontMask |
  InitFlag.readdirplus |
  InitFlag.readdirplusAuto |
  InitFlag.asyncDirectIo |
  InitFlag.openWithoutMessage |
  InitFlag.openDirectoryWithoutMessage |
  InitFlag.parallelDirectories |
  InitFlag.posixAcl |
  InitFlag.maxPages |
  InitFlag.cacheSymlinks |
  InitFlag.explicitInvalidation |
  InitFlag.extended;
const MORE_FLAGS_WANTED = MoreInitFlag.resend;

const EMPTY = new Uint8Array(0);
const encoder = new TextEncoder();

type Answer = Effect.Effect<Body, FsError | Refused>;
type Handle = (request: KernelRequest) => Answer;

export interface DirectOptions extends Lifetimes {
  readonly acls: boolean;
  /** The kernel gathers writes, and writes them when a file is closed or synced, after a while, or for want of memory. */
  readonly writebackCache: boolean;
  /** Requests that the kernel has under way at once on its own account: read-ahead, and what it wrote later. */
  readonly backgroundMax?: number;
}

const none = <A>(effect: Fs<A>): Answer => Effect.as(effect, EMPTY);

export class DirectTransport {
  private operations: Operations;
  private readonly filesystem: Filesystem;
  readonly engine: AtOnce;
  readonly now: () => Timestamp;
  private readonly services: TransportServices;
  readonly options: DirectOptions;
  readonly references = new KernelReferences();
  private opensSilently = { files: false, directories: false };
  private closed = false;
  private resending: Resending | undefined;
  notifier: Notifier | undefined;

  constructor(pool: Pick<Pool, "filesystemFor" | "atOnceFor">, services: TransportServices, options: DirectOptions) {
    this.now = () => {
      const milliseconds = Date.now();
      return { seconds: Math.floor(milliseconds / 1000), nanoseconds: (milliseconds % 1000) * 1e6 };
    };
    this.filesystem = pool.filesystemFor(this.references);
    this.engine = pool.atOnceFor(this.references);
    this.operations = new Operations(this.filesystem, this.now, options.acls);
    this.services = services;
    this.options = options;
    this.handlers = new Map([
      ...this.names,
      ...this.attributes,
      ...this.files,
      ...this.directories,
      ...linuxRequests(
        () => this.operations,
        options,
        (inode) => this.references.toldNameless(inode),
        (inode) => void this.notifier?.attributesChanged(inode),
      ),
    ]);
    const { outliving } = services;
    if (outliving?.tookOver !== true) return;
    const [files, directories] = outliving.note;
    this.opensSilently = { files: files === 1, directories: directories === 1 };
    this.resending = new Resending(() => outliving.allResent());
  }

  /** What the kernel must be told unasked goes this way. */
  connected(notifier: Notifier): void {
    this.notifier = notifier;
  }

  get opensFilesSilently(): boolean {
    return this.opensSilently.files;
  }

  readonly engineFor = (request: KernelRequest): AtOnce =>
    this.services.outliving?.atOnceFor(request.number, this.references) ?? this.engine;

  /** From now on every request fails, and nobody uses what has no name. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closed = true;
      const left = this.references.takeOrphans();
      return Effect.forEach(left, (inode) => Effect.ignore(this.filesystem.release(inode)), { discard: true });
    });
  }

  /**
   * Takes a message; `answer` gets what is to be written back, in parts, or nothing if the kernel wants no answer, and
   * says whether the kernel took it. It is called exactly once, and only then is the message no longer looked at; when it
   * returns the parts may change.
   */
  take(message: Uint8Array, answer: (...parts: ReadonlyArray<Uint8Array>) => boolean): void {
    const request = new KernelRequest(message);
    if (UNANSWERED.has(request.opcode)) {
      this.forgotten(request);
      return void answer();
    }
    if (!request.resent) this.resending?.newCame();
    // What is sent again may have been done.
    const atOnce = this.closed || request.resent ? undefined : answerAtOnce(request, this);
    if (typeof atOnce === "number") return void answer(header(request.view, atOnce, 0));
    const { outliving } = this.services;
    const remembered = outliving !== undefined && CHANGES.has(request.opcode);
    if (atOnce !== undefined) {
      this.told(request, atOnce, answer);
      if (remembered) outliving.answered(request.number);
      return;
    }
    request.rewind();
    const handle = this.handlers.get(request.opcode);
    this.services.run(remembered ? this.inView(handle, request) : this.effectOf(handle, request), (exit) => {
      this.answer(request, exit, answer);
      if (remembered) outliving.answered(request.number);
    });
  }

  private answer(
    request: KernelRequest,
    exit: Exit.Exit<Body, FsError | Refused>,
    answer: (...parts: ReadonlyArray<Uint8Array>) => boolean,
  ): void {
    if (Exit.isSuccess(exit)) {
      this.told(request, exit.value, answer);
      return;
    }
    const errno = errnoOf(exit);
    if (errno === Errno.EIO) this.services.report(`request ${request.opcode} failed: ${describeFailure(exit)}`);
    answer(header(request.view, errno, 0));
  }

  private told(request: KernelRequest, body: Body, answer: (...parts: ReadonlyArray<Uint8Array>) => boolean): void {
    const taken = answer(...answerOf(request.view, body));
    if (!(body instanceof Uint8Array)) body.release();
    else if (!taken) this.notTold(request, body);
  }

  /** The request's effect, in a view that knows which of its steps another server has done. */
  private inView(handle: Handle | undefined, request: KernelRequest): Answer {
    const shared = this.operations;
    const view = this.services.outliving!.filesystemFor(request.number, this.references);
    // Handlers ask for all that they do before they return.
    this.operations = new Operations(view, this.now, this.options.acls, this.filesystem);
    try {
      return this.effectOf(handle, request);
    } finally {
      this.operations = shared;
    }
  }

  /** The kernel no longer refers to inodes, so often. */
  private forgotten(request: KernelRequest): void {
    if (request.opcode === Opcode.forget) return this.forget(request.inode, request.u64());
    if (request.opcode !== Opcode.batchForget) return;
    const count = request.u32();
    request.skip(4);
    for (let left = count; left > 0; left--) this.forget(request.u64(), request.u64());
  }

  private forget(inode: number, times: number): void {
    const { outliving, run } = this.services;
    const ended = (exit: Exit.Exit<void, FsError>): void => {
      if (!Exit.isSuccess(exit))
        this.services.report(`inode ${inode} stays until the next mount: ${describeFailure(exit)}`);
    };
    if (this.references.forgets(inode, times) && (this.closed || this.engine.release(inode) === undefined)) {
      run(this.filesystem.release(inode), ended);
    }
    // What servers before this one told the kernel of is not counted here: it is the rest of what it forgets.
    if (outliving?.tookOver === true && !this.references.holds(inode)) run(outliving.forgotten(inode), ended);
  }

  /** An answer did not reach the kernel, which so does not know of the inode in it. */
  private notTold({ opcode }: KernelRequest, body: Uint8Array): void {
    if (TELLS_OF_INODE.has(opcode)) this.forget(entryInode(body), 1);
    else if (opcode === Opcode.readdirplus) for (const inode of listedInodes(body)) this.forget(inode, 1);
  }

  private effectOf(handle: Handle | undefined, request: KernelRequest): Answer {
    if (handle === undefined) return Effect.fail(new Refused(Errno.ENOSYS));
    if (this.closed) return Effect.fail(new Refused(Errno.ENOTCONN));
    try {
      return handle(request);
    } catch (error) {
      return Effect.die(error);
    }
  }

  private caller({ uid, gid }: KernelRequest, umask: number): Caller {
    return { uid, gid, umask };
  }

  /** The kernel asks for `.` and `..` of an inode that it knows by a file handle alone. */
  private found(inode: number, name: Uint8Array): Fs<Attributes> {
    const { operations } = this;
    if (!isDots(name)) return operations.lookup(inode, name);
    const number = name.length === 1 ? Effect.succeed(inode) : operations.parentOf(inode);
    return Effect.flatMap(number, (known) => operations.getattr(known));
  }

  private entry(attributes: Fs<Attributes>): Answer {
    return Effect.map(attributes, (found) => {
      this.references.told(found.inode);
      return encodeEntry(found, this.options);
    });
  }

  private readonly names: ReadonlyArray<readonly [number, Handle]> = [
    [
      Opcode.lookup,
      (request) =>
        Effect.catch(this.entry(this.found(request.inode, request.name())), (error) =>
          error instanceof FsError && error.reason === "NoEntry"
            ? Effect.succeed(encodeNoEntry(this.options))
            : Effect.fail(error),
        ),
    ],
    [
      Opcode.mknod,
      (request) => {
        const [mode, rdev, umask] = [request.u32(), request.u32(), request.u32()];
        request.skip(4);
        const caller = this.caller(request, umask);
        return this.entry(this.operations.mknod(request.inode, request.name(), mode, rdev, caller));
      },
    ],
    [
      Opcode.mkdir,
      (request) => {
        const [mode, umask] = [request.u32(), request.u32()];
        return this.entry(this.operations.mkdir(request.inode, request.name(), mode, this.caller(request, umask)));
      },
    ],
    [
      Opcode.symlink,
      (request) => {
        const [name, target] = [request.name(), request.name()];
        return this.entry(this.operations.symlink(request.inode, name, target, this.caller(request, 0)));
      },
    ],
    [
      Opcode.link,
      (request) => {
        const linked = this.operations.link(request.u64(), request.inode, request.name());
        // What had no name was opened for us; now its name keeps it.
        const named = Effect.tap(linked, ({ inode }) =>
          this.references.named(inode) ? this.filesystem.release(inode) : Effect.void,
        );
        return this.entry(named);
      },
    ],
    [Opcode.unlink, (request) => none(this.operations.unlink(request.inode, request.name()))],
    [Opcode.rmdir, (request) => none(this.operations.rmdir(request.inode, request.name()))],
    [Opcode.rename, (request) => this.rename(request, request.u64(), 0)],
    [
      Opcode.rename2,
      (request) => {
        const [directory, flags] = [request.u64(), request.u32()];
        request.skip(4);
        return this.rename(request, directory, flags);
      },
    ],
    [Opcode.readlink, (request) => this.operations.readlink(request.inode)],
  ];

  private rename(request: KernelRequest, newParent: number, flags: number): Answer {
    const [name, newName] = [request.name(), request.name()];
    return none(this.operations.rename(request.inode, name, newParent, newName, flags));
  }

  private readonly attributes: ReadonlyArray<readonly [number, Handle]> = [
    [
      Opcode.getattr,
      ({ inode }) => Effect.map(this.operations.getattr(inode), (found) => encodeAttributes(found, this.options)),
    ],
    [
      Opcode.setattr,
      (request) =>
        Effect.map(this.operations.setattr(request.inode, decodeSetattr(request)), (found) =>
          encodeAttributes(found, this.options),
        ),
    ],
    [
      Opcode.setxattr,
      (request) => {
        const [length, flags] = [request.u32(), request.u32()];
        let name = request.name();
        // A kernel that was asked to puts eight bytes more before the name.
        let more = 0;
        if (request.left !== length) {
          more = name.length === 0 ? 0 : name[0]!;
          request.skip(8 - name.length - 1);
          name = request.name();
        }
        const kill = (more & SETXATTR_KILL_SET_GROUP_ID) !== 0;
        const set = this.operations.setxattr(request.inode, name, request.data(length), flags, kill, request.uid);
        return this.refused(name) ?? none(set);
      },
    ],
    [
      Opcode.getxattr,
      (request) => {
        const room = request.u32();
        request.skip(4);
        const name = request.name();
        return this.refused(name) ?? Effect.flatMap(this.operations.getxattr(request.inode, name), fitting(room));
      },
    ],
    [
      Opcode.listxattr,
      (request) => {
        const room = request.u32();
        const list = Effect.map(this.operations.listxattr(request.inode), terminated);
        return Effect.flatMap(list, fitting(room));
      },
    ],
    [Opcode.removexattr, (request) => none(this.operations.removexattr(request.inode, request.name(), request.uid))],
    [Opcode.statfs, () => Effect.map(this.operations.statfs, encodeStatistics)],
  ];

  private refused(name: Uint8Array): Answer | undefined {
    return isAcl(name) && !this.options.acls ? Effect.fail(new Refused(Errno.EOPNOTSUPP)) : undefined;
  }

  private readonly files: ReadonlyArray<readonly [number, Handle]> = [
    [
      Opcode.create,
      (request) => {
        const [, mode, umask] = [request.u32(), request.u32(), request.u32()];
        request.skip(4);
        const caller = this.caller(request, umask);
        const made = this.operations.mknod(request.inode, request.name(), mode & ~FileType.mask, 0, caller);
        return Effect.map(made, (found) => {
          this.references.told(found.inode);
          return encodeCreated(found, this.options, OpenAnswer.keepCache);
        });
      },
    ],
    [Opcode.open, () => this.opened(this.opensSilently.files, OpenAnswer.keepCache)],
    [Opcode.release, () => Effect.succeed(EMPTY)],
    [
      Opcode.read,
      (request) => {
        request.skip(8);
        return this.engine.readLater(request.inode, request.u64(), request.u32());
      },
    ],
    [
      Opcode.write,
      (request) => {
        request.skip(8);
        const [offset, length, flags] = [request.u64(), request.u32(), request.u32()];
        request.skip(16);
        return Effect.as(this.write(request.inode, offset, request.data(length), flags), encodeCount(length));
      },
    ],
    [Opcode.fsync, ({ inode }) => none(this.operations.fsync(inode))],
    [
      Opcode.lseek,
      (request) => {
        request.skip(8);
        const [{ inode }, offset, whence] = [request, request.u64(), request.u32()];
        // The kernel asks without having written what it has, which would look like a hole.
        const flushed = Effect.promise(() => this.notifier?.flushData(inode, offset) ?? Promise.resolve());
        return Effect.map(Effect.andThen(flushed, this.operations.lseek(inode, offset, whence)), encodeOffset);
      },
    ],
    [Opcode.syncfs, () => none(this.operations.syncfs)],
    [Opcode.destroy, () => Effect.succeed(EMPTY)],
    [Opcode.init, (request) => this.init(request)],
  ];

  /** Whoever opens an inode was told of it before, and that is all we need to know. */
  private opened(silently: boolean, flags: number): Answer {
    return silently ? Effect.fail(new Refused(Errno.ENOSYS)) : Effect.succeed(encodeOpen(flags));
  }

  private write(inode: number, offset: number, bytes: Uint8Array, flags: number): Fs<void> {
    if ((flags & WriteFlag.cache) !== 0) {
      // Its times come by a setattr of their own; how much space the file takes, the kernel would not ask.
      this.notifier?.attributesDrift(inode);
      return this.operations.write(inode, offset, bytes, this.options.writebackCache);
    }
    if ((flags & WriteFlag.killPrivileges) === 0) return this.operations.write(inode, offset, bytes);
    const write = this.operations.write(inode, offset, bytes);
    return Effect.flatMap(this.operations.dropPrivileges(inode), (had) => {
      if (had) void this.notifier?.attributesChanged(inode);
      return write;
    });
  }

  private readonly directories: ReadonlyArray<readonly [number, Handle]> = [
    [Opcode.opendir, () => this.opened(this.opensSilently.directories, OpenAnswer.cacheDirectory)],
    [Opcode.releasedir, () => Effect.succeed(EMPTY)],
    [Opcode.fsyncdir, ({ inode }) => none(this.operations.fsync(inode))],
    [Opcode.readdir, (request) => this.list(request, false)],
    [Opcode.readdirplus, (request) => this.list(request, true)],
  ];

  private readonly handlers: ReadonlyMap<number, Handle>;

  private list(request: KernelRequest, plus: boolean): Answer {
    request.skip(8);
    const [offset, room] = [request.u64(), request.u32()];
    const { inode } = request;
    const count = Math.ceil(room / (plus ? ENTRY_PLUS_BYTES : ENTRY_BYTES_LEAST));
    const behind = Math.max(0, offset - DOTS);
    return Effect.flatMap(
      Effect.all([this.dots(inode, offset), this.operations.readdir(inode, behind, count)]),
      (found) => {
        const [dots, entries] = found;
        const all = [...dots, ...entries.map((entry) => ({ ...entry, cookie: entry.cookie + DOTS }))];
        const writer = new EntryWriter(room);
        if (plus) return Effect.as(this.writePlus(writer, all), writer).pipe(Effect.map(({ finished }) => finished));
        for (const entry of all) if (!writer.add(entry)) break;
        return Effect.succeed(writer.finished);
      },
    );
  }

  /** `.` and `..`, which the engine does not list, with the cookies 1 and 2. */
  private dots(inode: number, offset: number): Fs<ReadonlyArray<DirectoryEntry>> {
    if (offset >= DOTS) return Effect.succeed([]);
    const parent = inode === ROOT_INODE ? Effect.succeed(inode) : this.operations.parentOf(inode);
    return Effect.map(parent, (above) =>
      [
        { name: encoder.encode("."), inode, type: FileType.directory, cookie: 1 },
        { name: encoder.encode(".."), inode: above, type: FileType.directory, cookie: 2 },
      ].slice(offset),
    );
  }

  private writePlus(writer: EntryWriter, entries: ReadonlyArray<DirectoryEntry>): Fs<void> {
    const { operations, options, engine } = this;
    /** False when there is no more room. */
    const add = (entry: DirectoryEntry, attributes: Attributes | undefined): boolean => {
      if (!writer.addPlus(entry, attributes, options)) return false;
      if (attributes !== undefined) this.references.told(entry.inode);
      return true;
    };
    const from = (start: number): Fs<void> => {
      for (let index = start; index < entries.length; index++) {
        const entry = entries[index]!;
        // Attributes of `.` and `..` would count as lookups of names that are not.
        const found = entry.cookie <= DOTS ? new FsError("NoEntry") : engine.getattr(entry.inode);
        if (found === undefined) {
          const asked = Effect.catch(operations.getattr(entry.inode), () => Effect.succeed(undefined));
          return Effect.flatMap(asked, (attributes) => (add(entry, attributes) ? from(index + 1) : Effect.void));
        }
        if (!add(entry, found instanceof FsError ? undefined : found)) break;
      }
      return Effect.void;
    };
    return Effect.suspend(() => from(0));
  }

  private init(request: KernelRequest): Answer {
    const [major, minor, readaheadBytes, offered] = [request.u32(), request.u32(), request.u32(), request.u32()];
    const more = (offered & InitFlag.extended) === 0 ? 0 : request.u32();
    if (major !== PROTOCOL_MAJOR || minor < PROTOCOL_MINOR_LEAST) {
      this.services.report(`the kernel speaks version ${major}.${minor} of FUSE, too old`);
      return Effect.fail(new Refused(Errno.EPROTO));
    }
    const { acls, writebackCache } = this.options;
    this.opensSilently = {
      files: (offered & InitFlag.openWithoutMessage) !== 0,
      directories: (offered & InitFlag.openDirectoryWithoutMessage) !== 0,
    };
    const { files, directories } = this.opensSilently;
    this.services.outliving?.keepNote(Uint8Array.of(files ? 1 : 0, directories ? 1 : 0));
    const unwanted = (acls ? 0 : InitFlag.posixAcl) | (writebackCache ? 0 : InitFlag.writebackCache);
    return Effect.succeed(
      encodeInit(PROTOCOL_MAJOR, {
        minor: Math.min(minor, PROTOCOL_MINOR),
        readaheadBytes: Math.max(readaheadBytes, READAHEAD_BYTES),
        flags: (FLAGS_WANTED & ~unwanted & offered) >>> 0,
        moreFlags: MORE_FLAGS_WANTED & more,
        writeBytesMax: WRITE_BYTES_MAX,
        pagesMax: WRITE_BYTES_MAX / PAGE_BYTES,
        backgroundMax: Math.min(BACKGROUND_MAX, this.options.backgroundMax ?? BACKGROUND_MAX),
      }),
    );
  }
}

/** Who sets an ACL is not of the file's group. */
const SETXATTR_KILL_SET_GROUP_ID = 1;
/** Cookies that `.` and `..` take. */
const DOTS = 2;
/** A value for a caller's buffer of this size; 0 asks how long the value is. */
const fitting =
  (room: number) =>
  (value: Uint8Array): Answer => {
    if (room === 0) return Effect.succeed(encodeCount(value.length));
    return value.length <= room ? Effect.succeed(value) : Effect.fail(new FsError("ResultTooLarge"));
  };

/** Names behind each other, each with a NUL. */
function terminated(names: ReadonlyArray<Uint8Array>): Uint8Array {
  const list = new Uint8Array(names.reduce((sum, name) => sum + name.length + 1, 0));
  let at = 0;
  for (const name of names) {
    list.set(name, at);
    at += name.length + 1;
  }
  return list;
}
