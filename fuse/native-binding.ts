/**
 * The C half of `fuse-native` 2.2.6, without its JavaScript half: loading it, and the shapes of its calls.
 *
 * That JavaScript half gives up on requests after 15 seconds, knows too few mount options, and passes extended
 * attributes on wrongly; so we hand our own handlers to the C code. It serves libfuse's threads one at a time on the
 * main thread: a handler gets the thread's request record, and answers once by the signal of its operation. The
 * package is optional; `loadBinding` says in one line why it cannot be had. It cannot be used in a worker thread.
 *
 * Known of the C code: times are whole milliseconds, inode numbers 32 bits, paths UTF-8 only, and nothing tells who
 * the caller is. `utimens` passes the access time twice; the modification time is read from the request record.
 */
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname } from "node:path";
import { isMainThread } from "node:worker_threads";
import { TransportMissing } from "./transport.ts";

/** One request of one libfuse thread, as memory of the C code. Only ever passed back, and read by `modifiedMsOf`. */
export type Request = Uint8Array & { readonly __request: true };

/** Operations that we serve, by the number that the C code gives them. */
export const Operation = {
  init: 0,
  statfs: 3,
  fgetattr: 4,
  getattr: 5,
  fsync: 7,
  fsyncdir: 8,
  readdir: 9,
  truncate: 10,
  ftruncate: 11,
  utimens: 12,
  readlink: 13,
  chown: 14,
  chmod: 15,
  mknod: 16,
  setxattr: 17,
  getxattr: 18,
  listxattr: 19,
  removexattr: 20,
  open: 21,
  read: 23,
  write: 24,
  release: 25,
  create: 27,
  unlink: 28,
  rename: 29,
  link: 30,
  symlink: 31,
  mkdir: 32,
  rmdir: 33,
} as const;

export type OperationName = keyof typeof Operation;

/** Length of the C code's table of handlers. */
const TABLE_LENGTH = 35;

/** Answers a request: 0 or a negative error number (for some a length), then what the operation returns. */
export type Signal = (request: Request, result: number, ...values: ReadonlyArray<unknown>) => void;
export type Handler = (request: Request, ...args: ReadonlyArray<never>) => void;
export type Handlers = { readonly [name in OperationName]: Handler };

interface NativeModule {
  readonly sizeof_fuse_thread_t: number;
  readonly fuse_native_mount: (
    directory: string,
    options: string,
    thread: Uint8Array,
    self: object,
    allocate: (bytes: number) => Uint8Array,
    handlers: ReadonlyArray<unknown>,
    implemented: Uint32Array,
  ) => void;
  readonly fuse_native_unmount: (directory: string, thread: Uint8Array) => void;
  readonly [signal: `fuse_native_signal_${string}`]: Signal;
}

export interface Mounted {
  /** Lets the event loop end although the C code is still there. Call it when the mount has ended. */
  readonly forget: () => void;
}

export interface Binding {
  readonly signal: (name: OperationName) => Signal;
  /** Mounts and starts serving; throws if the kernel refuses. Blocks until the mount stands. */
  readonly mount: (directory: string, options: string, handlers: Handlers) => Mounted;
}

/** Memory that libfuse's threads use for as long as the process lives. */
const pinned: Array<object> = [];

export function loadBinding(): Binding | TransportMissing {
  if (!isMainThread) return new TransportMissing("fuse-native", "it works in the main thread alone");
  let native: NativeModule;
  try {
    native = load(createRequire(import.meta.url).resolve("fuse-native/package.json"));
  } catch (error) {
    const [line] = (error instanceof Error ? error.message : String(error)).split("\n");
    return new TransportMissing("fuse-native", line ?? "no reason given");
  }
  return {
    signal: (name) => native[`fuse_native_signal_${name}`]!,
    mount: (directory, options, handlers) => mount(native, directory, options, handlers),
  };
}

/** dlopen's flag to keep a library for good; Node has no name for it. */
const RTLD_NODELETE = 0x1000;

function load(manifest: string): NativeModule {
  const theirs = createRequire(manifest);
  const build = theirs("node-gyp-build") as (directory: string) => NativeModule;
  try {
    return build(dirname(manifest));
  } catch (error) {
    if (!String(error).includes("libfuse.so.2")) throw error;
  }
  // The system has no libfuse 2. The package brings one, but its addon does not know where: loaded before, it is found
  // by its name. Node refuses a library that is no addon and closes it, which RTLD_NODELETE makes harmless.
  const { lib } = theirs("fuse-shared-library") as { readonly lib: string };
  try {
    process.dlopen({ exports: {} }, lib, constants.dlopen.RTLD_NOW | RTLD_NODELETE);
  } catch {
    // Always.
  }
  return build(dirname(manifest));
}

function mount(native: NativeModule, directory: string, options: string, handlers: Handlers): Mounted {
  const table: Array<unknown> = Array.from({ length: TABLE_LENGTH - 1 }, () => (): void => {});
  const implemented = new Uint32Array(TABLE_LENGTH);
  for (const [name, index] of Object.entries(Operation) as ReadonlyArray<[OperationName, number]>) {
    const handler = handlers[name] as (request: Request, ...args: ReadonlyArray<unknown>) => void;
    table[index] = (request: Request, _operation: number, ...args: ReadonlyArray<unknown>) => handler(request, ...args);
    implemented[index] = 1;
  }
  const thread = Buffer.alloc(native.sizeof_fuse_thread_t);
  const self = {};
  const allocate = (bytes: number): Uint8Array => {
    const record = Buffer.alloc(bytes);
    pinned.push(record);
    return record;
  };
  pinned.push(thread, self, allocate, table);
  native.fuse_native_mount(directory, `-o${options}`, thread, self, allocate, table, implemented);
  return { forget: () => native.fuse_native_unmount(directory, thread) };
}

/** Where the C code's request record holds the two times of `utimens`, on every 64-bit Unix. */
const ACCESSED_AT = 104;
const MODIFIED_AT = 112;

/** The modification time of a `utimens` request in milliseconds, given the access time for comparison. */
export function modifiedMsOf(request: Request, accessedMs: number): number {
  const record = new DataView(request.buffer, request.byteOffset, request.byteLength);
  if (millisecondsAt(record, ACCESSED_AT) !== accessedMs) throw new Error("fuse-native has another record layout");
  return millisecondsAt(record, MODIFIED_AT);
}

/** The C code computes in unsigned 64 bits, so a time before 1970 shows as a number just below 2^64. */
const millisecondsAt = (record: DataView, at: number): number => Number(record.getBigInt64(at, true));
