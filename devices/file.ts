/**
 * A regular file or a block device of the system as a `Device`.
 *
 * Fault model: that of the kernel. Short transfers go through the page cache (writes, and flushes, often on the caller's
 * stack: `prompt-file.ts`), long ones past it (`direct-file.ts`); `flush` is fdatasync, which for a block device also
 * empties the volatile cache of the disk. Once an fdatasync has failed the kernel may have dropped what it could not
 * write, so no later flush of the same device claims success. A discard is a hint carried out in the background
 * (`hole-puncher.ts`). The device is opened for one user alone: a block device exclusively, which the kernel also refuses
 * while it is mounted or part of something else; a file under flock(2), which ends with the process.
 *
 * I/O in flight is not interruptible, and closing waits for it. Reads return buffers of their own, into which others are
 * read once they were given back.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import type { Scope } from "effect/Scope";
import { blockFacts, blockUser, deviceNumbers, loopOf } from "./block-sysfs.ts";
import { alignedBytes } from "./aligned-memory.ts";
import { DeviceGone, MediumError } from "./device.ts";
import type { Device, DeviceError, DeviceOperation, Geometry } from "./device.ts";
import { DirectFile, SPARE_READ_BYTES } from "./direct-file.ts";
import { HolePuncher } from "./hole-puncher.ts";
import { PromptFile } from "./prompt-file.ts";
import { rangeError } from "./range.ts";

/**
 * Smallest block of these devices, whatever the disk says: the page cache would read around anything smaller, and a
 * pool can be copied between files and disks.
 */
const BLOCK_BYTES_MIN = 4096;

/** The device cannot be opened or made. `message` is one line for a person. */
export class DeviceRefused {
  readonly _tag = "DeviceRefused";
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

export interface FileDeviceOptions {
  /** Writes fail, and the file need not be writable. */
  readonly readOnly?: boolean;
  /** Together with `readOnly`: opens the device even while somebody else uses it. What is read may then be stale. */
  readonly force?: boolean;
  /**
   * Asked at each flush: does nothing else wait for this thread? Then a flush that should be short is made on it. Left
   * out: never.
   */
  readonly alone?: () => boolean;
  /** Memory of long reads that were given back is kept for others up to so much. */
  readonly spareReadBytes?: number;
}

/** Opens a file or block device; it is closed with the scope. */
export function openFileDevice(
  path: string,
  options: FileDeviceOptions = {},
): Effect.Effect<Device, DeviceRefused, Scope> {
  const acquire = Effect.suspend((): Effect.Effect<FileDevice, DeviceRefused> => {
    const opened = openExclusively(path, options);
    return opened instanceof DeviceRefused ? Exit.fail(opened) : Exit.succeed(opened);
  });
  return Effect.acquireRelease(acquire, (device) => device.close);
}

/** Makes a new sparse file of this size; never touches an existing one. */
export function createFile(path: string, sizeBytes: number): Effect.Effect<void, DeviceRefused> {
  return Effect.suspend((): Effect.Effect<void, DeviceRefused> => {
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0) {
      return Exit.fail(new DeviceRefused(`${path}: cannot be made ${sizeBytes} bytes long`));
    }
    let fd: number;
    try {
      fd = fs.openSync(path, "wx", 0o600);
    } catch (error) {
      return Exit.fail(new DeviceRefused(`${path}: ${reason(error)}`));
    }
    try {
      fs.ftruncateSync(fd, sizeBytes);
      return Exit.void;
    } catch (error) {
      fs.unlinkSync(path);
      return Exit.fail(new DeviceRefused(`${path}: ${reason(error)}`));
    } finally {
      fs.closeSync(fd);
    }
  });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or device",
  ENOTDIR: "a part of the path is not a directory",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EROFS: "is read-only",
  EEXIST: "exists already",
  EISDIR: "is a directory",
  EBUSY: "is in use: mounted, part of another device, or open exclusively",
  ENXIO: "no such device",
  ENOMEDIUM: "has no medium",
  EFBIG: "too big for the filesystem that it is on",
  ENOSPC: "no space left on the filesystem that it is on",
};

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

function reason(error: unknown): string {
  return REASONS[codeOf(error)] ?? (error instanceof Error ? error.message : String(error));
}

function openExclusively(path: string, options: FileDeviceOptions): FileDevice | DeviceRefused {
  const readOnly = options.readOnly ?? false;
  const shared = readOnly && (options.force ?? false);
  let fd = -1;
  const refuse = (why: string): DeviceRefused => {
    if (fd >= 0) fs.closeSync(fd);
    return new DeviceRefused(`${path}: ${why}`);
  };
  try {
    const stat = fs.statSync(path);
    if (stat.isDirectory()) return refuse("is a directory, not a file or block device");
    if (!stat.isFile() && !stat.isBlockDevice()) return refuse("is neither a file nor a block device");
    const user = shared ? undefined : stat.isFile() ? loopUser(path) : blockUser(deviceNumbers(stat.rdev));
    if (user !== undefined) return refuse(`is in use: ${user}`);
    const exclusive = stat.isBlockDevice() && !shared ? fs.constants.O_EXCL : 0;
    fd = fs.openSync(path, (readOnly ? fs.constants.O_RDONLY : fs.constants.O_RDWR) | exclusive);
    const opened = fs.fstatSync(fd);
    if (opened.ino !== stat.ino || opened.rdev !== stat.rdev) return refuse("was replaced while it was being opened");
    const unlocked = opened.isFile() && !shared ? lock(fd) : undefined;
    if (unlocked !== undefined) return refuse(unlocked);
    const geometry = geometryOf(opened);
    return typeof geometry === "string" ? refuse(geometry) : new FileDevice(path, fd, geometry, options);
  } catch (error) {
    return refuse(reason(error));
  }
}

function loopUser(path: string): string | undefined {
  const loop = loopOf(fs.realpathSync(path));
  return loop === undefined ? undefined : `attached to /dev/${loop}`;
}

/**
 * Locks the open file description, through a program that shares it for a moment, since Node has no call for it. The
 * kernel lets go of the lock when this process ends, however it does.
 */
function lock(fd: number): string | undefined {
  const { error, status } = spawnSync("flock", ["--nonblock", "--exclusive", "3"], {
    stdio: ["ignore", "ignore", "ignore", fd],
  });
  if (error !== undefined) return `cannot be locked: the program flock (of util-linux) does not run: ${reason(error)}`;
  if (status === 1) return "is in use by another process";
  return status === 0 ? undefined : "cannot be locked: its filesystem does not support it";
}

function geometryOf(stat: fs.Stats): Geometry | string {
  const facts = stat.isBlockDevice() ? blockFacts(deviceNumbers(stat.rdev)) : undefined;
  if (stat.isBlockDevice() && facts === undefined) return "has a size that the system does not tell";
  if (facts?.zoned === "host-managed") return "is a zoned device, which is not supported yet";
  const logicalBlockBytes = facts?.logicalBlockBytes ?? 512;
  const blockBytes = Math.max(BLOCK_BYTES_MIN, logicalBlockBytes);
  const sizeBytes = facts?.capacityBytes ?? stat.size;
  const capacityBytes = sizeBytes - (sizeBytes % blockBytes);
  if (capacityBytes === 0) return `is too small: ${sizeBytes} bytes`;
  const rotational = facts?.rotational ?? false;
  return { capacityBytes, blockBytes, atomicWriteBytes: logicalBlockBytes, rotational, zones: undefined };
}

/** Errors after which the same operation may well succeed. */
const TRANSIENT: ReadonlySet<string> = new Set(["EAGAIN", "EINTR", "EBUSY", "ENOMEM", "ENOBUFS", "ENOSPC", "EDQUOT"]);
/** Errors of a device that is no longer there. */
const GONE: ReadonlySet<string> = new Set(["ENODEV", "ENXIO", "EBADF", "ENOMEDIUM", "ESHUTDOWN"]);

type Done<A> = (error: unknown, value: A) => void;

class FileDevice implements Device {
  readonly name: string;
  readonly geometry: Geometry;
  readonly flush: Effect.Effect<void, DeviceError>;
  /** Waits for what is in flight, then lets go of the file. */
  readonly close: Effect.Effect<void>;
  readonly zones = undefined;
  private readonly fd: number;
  private readonly readOnly: boolean;
  private readonly puncher: HolePuncher;
  private readonly direct: DirectFile;
  private readonly prompt: PromptFile;
  private inFlight = 0;
  private closing: (() => void) | undefined;
  private closed = false;
  private flushFailed = false;
  private readonly alone: () => boolean;

  constructor(name: string, fd: number, geometry: Geometry, options: FileDeviceOptions) {
    const { readOnly = false, alone = () => false, spareReadBytes = SPARE_READ_BYTES } = options;
    this.alone = alone;
    this.name = name;
    this.fd = fd;
    this.geometry = geometry;
    this.readOnly = readOnly;
    this.puncher = new HolePuncher(fd);
    this.direct = new DirectFile(fd, readOnly, spareReadBytes);
    this.prompt = new PromptFile(fd);
    this.flush = readOnly ? Exit.void : this.io("flush", 0, 0, (done) => this.startFlush(done));
    this.close = Effect.callback((resume) => this.startClose(() => resume(Exit.void)));
  }

  readonly writeBuffer = (lengthBytes: number): Uint8Array =>
    this.direct.available ? alignedBytes(lengthBytes) : new Uint8Array(lengthBytes);

  readonly read = (offsetBytes: number, lengthBytes: number): Effect.Effect<Uint8Array, DeviceError> =>
    this.io("read", offsetBytes, lengthBytes, (done) => {
      const target = this.direct.readBuffer(lengthBytes);
      const direct = (error: Error | null, count: number): void => {
        // What is left goes through the page cache.
        if (error === null) this.readPart(target, offsetBytes, count, done);
        else done(error, target);
      };
      if (!this.direct.read(target, offsetBytes, direct)) this.readPart(target, offsetBytes, 0, done);
    });

  readonly reuse = (bytes: Uint8Array): void => this.direct.reuse(bytes);

  readonly write = (offsetBytes: number, bytes: Uint8Array): Effect.Effect<void, DeviceError> =>
    this.io("write", offsetBytes, bytes.length, (done) => {
      if (this.readOnly) return done(new Error("opened read-only"), undefined);
      this.puncher.beforeWrite(offsetBytes, bytes.length, () => {
        const direct = (error: Error | null, count: number): void => {
          if (error === null) this.writePart(bytes, offsetBytes, count, done);
          else done(error, undefined);
        };
        if (this.direct.write(bytes, offsetBytes, direct)) return this.prompt.wroteElsewhere(bytes.length);
        if (this.locked) this.prompt.wroteElsewhere(bytes.length);
        this.writePart(bytes, offsetBytes, this.locked ? 0 : this.prompt.write(bytes, offsetBytes), done);
      });
    });

  readonly discard = (offsetBytes: number, lengthBytes: number): Effect.Effect<void, DeviceError> =>
    this.io("discard", offsetBytes, lengthBytes, (done) => {
      if (!this.readOnly) this.puncher.discard(offsetBytes, lengthBytes);
      done(null, undefined);
    });

  private io<A>(
    operation: DeviceOperation,
    offsetBytes: number,
    lengthBytes: number,
    start: (done: Done<A>) => void,
  ): Effect.Effect<A, DeviceError> {
    return Effect.uninterruptible(
      Effect.callback<A, DeviceError>((resume) => {
        if (this.closed || this.closing !== undefined) return resume(Exit.fail(new DeviceGone(this.name)));
        const outside = rangeError(this.name, this.geometry, offsetBytes, lengthBytes);
        if (outside !== undefined) return resume(Exit.fail(outside));
        this.inFlight++;
        start((error, value) => {
          this.inFlight--;
          // The file is let go before the caller goes on and perhaps never comes back.
          if (this.inFlight === 0) this.closing?.();
          if (error === null || error === undefined) resume(Exit.succeed(value));
          else resume(Exit.fail(this.failure(operation, offsetBytes, lengthBytes, error)));
        });
      }),
    );
  }

  private failure(operation: DeviceOperation, offsetBytes: number, lengthBytes: number, error: unknown): DeviceError {
    const code = codeOf(error);
    if (GONE.has(code)) return new DeviceGone(this.name);
    const permanent = operation === "flush" || !TRANSIENT.has(code);
    return new MediumError(this.name, operation, offsetBytes, lengthBytes, permanent);
  }

  /** The kernel may read or write less than it was asked to; the rest is another call. */
  private readPart(target: Uint8Array, offsetBytes: number, from: number, done: Done<Uint8Array>): void {
    if (from === target.length) return done(null, target);
    fs.read(this.fd, target, from, target.length - from, offsetBytes + from, (error, count) => {
      if (error !== null) return done(error, target);
      if (count === 0) return done(new Error("the file has become shorter"), target);
      this.readPart(target, offsetBytes, from + count, done);
    });
  }

  private writePart(bytes: Uint8Array, offsetBytes: number, from: number, done: Done<void>): void {
    if (from === bytes.length) return done(null, undefined);
    fs.write(this.fd, bytes, from, bytes.length - from, offsetBytes + from, (error, count) => {
      if (error !== null) return done(error, undefined);
      this.writePart(bytes, offsetBytes, from + count, done);
    });
  }

  private startFlush(done: Done<void>): void {
    if (this.flushFailed) return done(new Error("an earlier flush failed"), undefined);
    const onStack = this.alone() && this.prompt.flushesShortly && !this.locked;
    this.prompt.flush(onStack, (error) => {
      if (error !== null) this.flushFailed = true;
      done(this.flushFailed ? (error ?? new Error("a flush failed meanwhile")) : null, undefined);
    });
  }

  /** Would a call that writes have to wait for another? */
  private get locked(): boolean {
    return this.puncher.punching || this.direct.busy;
  }

  private startClose(closed: () => void): void {
    this.closing = () =>
      this.puncher.close(() => {
        this.closed = true;
        this.direct.close();
        fs.closeSync(this.fd);
        closed();
      });
    if (this.inFlight === 0) this.closing();
  }
}
