/**
 * Why a pool cannot be formatted, opened or closed: one clear line each, for people.
 *
 * Plain classes, told apart by `_tag`; `message` says what is wrong and, where there is one, what to do.
 */
import type { DeviceError } from "../../devices/device.ts";
import { describe } from "../journal/journal-actor.ts";

export class NotAPool {
  readonly _tag = "NotAPool";
  readonly message: string;
  constructor(device: string) {
    this.message = `${device} does not hold a Varve pool`;
  }
}

export class PoolDamaged {
  readonly _tag = "PoolDamaged";
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

export class TooSmall {
  readonly _tag = "TooSmall";
  readonly leastBytes: number;
  readonly message: string;
  constructor(device: string, leastBytes: number) {
    this.leastBytes = leastBytes;
    const mebibytes = Math.ceil(leastBytes / (1024 * 1024));
    this.message = `${device} is too small for a pool: the least is ${leastBytes} bytes (${mebibytes} MiB)`;
  }
}

export class WrongMembers {
  readonly _tag = "WrongMembers";
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

export class UnsupportedVersion {
  readonly _tag = "UnsupportedVersion";
  readonly message: string;
  constructor(device: string) {
    this.message = `${device} holds a pool of a format version that this program does not know`;
  }
}

/** A device failed while the pool was being formatted or opened. */
export class DeviceFailed {
  readonly _tag = "DeviceFailed";
  readonly message: string;
  readonly cause: DeviceError;
  constructor(cause: DeviceError) {
    this.cause = cause;
    this.message = describe(cause);
  }
}

/** What a process before this one kept in memory cannot be used: its unsynced work is lost, and nobody may be told else. */
export class NotTakenOver {
  readonly _tag = "NotTakenOver";
  readonly message: string;
  constructor(why: string) {
    this.message = `what the server before this one kept cannot be used: ${why}`;
  }
}

export type PoolError =
  | NotAPool
  | PoolDamaged
  | TooSmall
  | WrongMembers
  | UnsupportedVersion
  | DeviceFailed
  | NotTakenOver;
