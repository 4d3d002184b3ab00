/**
 * Stored bytes around small extents, read at once: files that were written one after another lie side by side, and
 * whoever asks for one of them often wants the others.
 *
 * A window is an aligned piece of a bucket and as much behind it as an extent that begins in it may need. It is worth its
 * read when two extents that begin in it were asked for lately. Its bytes may be older than the extent that is looked for,
 * since a bucket goes on being filled, and is reset and filled anew: they count as unread until they verify, and say
 * nothing about the device if they do not. Windows lie in the read cache and are counted there.
 */
import type { DataExtent } from "../format/values/extent.ts";
import type { ReadCache } from "./read-cache.ts";
import type { Raw } from "./read-memory.ts";
import type { ExtentStore, MemoryLimits } from "./services.ts";

const WINDOW_BYTES_MAX = 256 * 1024;
/** Smaller windows would hold too little. */
const WINDOW_BYTES_MIN = 16 * 1024;
/** Share of the cache that a window takes at most. */
const WINDOW_SHARE = 0.25;
/** Share of a window that an extent may take which is looked for there. */
const EXTENT_SHARE = 0.25;
/** Windows of which it is remembered that an extent was asked for. */
const ASKED_MAX = 64;

export interface Window {
  readonly key: string;
  readonly device: number;
  readonly fromBytes: number;
  readonly lengthBytes: number;
}

export class Windows {
  private readonly store: Pick<ExtentStore, "bucketAround">;
  private readonly cache: ReadCache;
  private readonly limits: Pick<MemoryLimits, "readCacheBytes">;
  /** By key, the one that was asked for longest ago first. */
  private readonly asked: Set<string> = new Set();

  constructor(
    store: Pick<ExtentStore, "bucketAround">,
    cache: ReadCache,
    limits: Pick<MemoryLimits, "readCacheBytes">,
  ) {
    this.store = store;
    this.cache = cache;
    this.limits = limits;
  }

  /** The window in which an extent begins; undefined if it is too long for one, or there is no memory for windows. */
  around({ pointers, storedBytes }: DataExtent): Window | undefined {
    let windowBytes = WINDOW_BYTES_MAX;
    while (windowBytes > this.limits.readCacheBytes * WINDOW_SHARE) windowBytes /= 2;
    if (windowBytes < WINDOW_BYTES_MIN || storedBytes > windowBytes * EXTENT_SHARE) return undefined;
    const { device, addressBytes } = pointers[0]!;
    const { fromBytes: bucket, lengthBytes } = this.store.bucketAround(device, addressBytes);
    const at = addressBytes - bucket;
    const from = at - (at % windowBytes);
    const end = Math.min(lengthBytes, from + windowBytes * (1 + EXTENT_SHARE));
    const fromBytes = bucket + from;
    return { key: `${device}:${fromBytes}+${windowBytes}`, device, fromBytes, lengthBytes: end - from };
  }

  /** What a window in memory has where the extent should be, as good as unread. */
  find(window: Window, { pointers, storedBytes }: DataExtent): Uint8Array | undefined {
    const bytes = this.cache.touch(window.key)?.bytes;
    const at = pointers[0]!.addressBytes - window.fromBytes;
    return bytes?.subarray(at, at + storedBytes);
  }

  /** An extent of a window that is not in memory must be read. Should all of it be? */
  isWorthReading({ key }: Window): boolean {
    const again = this.asked.delete(key);
    if (again) return true;
    this.asked.add(key);
    if (this.asked.size > ASKED_MAX) {
      const [oldest] = this.asked;
      this.asked.delete(oldest!);
    }
    return false;
  }

  /** The caller holds the bytes, and goes on to. */
  keep(window: Window, raw: Raw): void {
    this.cache.put(window.key, raw);
  }

  drop(window: Window): void {
    this.cache.drop(window.key);
  }
}
