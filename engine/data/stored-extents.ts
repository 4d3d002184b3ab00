/**
 * Stored extents from the device: verified, decoded, kept for a while, and read once however many ask.
 *
 * Extents that lie next to each other are read at once. Whoever wants one that is on its way waits for it; if it does
 * not come with the others, because the device failed or its bytes did not verify, everyone who waits reads it alone.
 * Small ones are read with what lies around them, and looked for there.
 * The caller sees to it that buckets are not reset under a read.
 */
import * as Deferred from "effect/Deferred";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import { VERIFY_TRIES_MAX } from "../device/bucket-io.ts";
import type { DataExtent } from "../format/values/extent.ts";
import { reached } from "../marks.ts";
import { decode } from "./encode.ts";
import { ReadCache } from "./read-cache.ts";
import { type Raw, ReadMemory } from "./read-memory.ts";
import type { EngineServices } from "./services.ts";
import { type Window, Windows } from "./windows.ts";

/** Stored bytes that one read of several extents fetches at most. */
const GROUP_BYTES_MAX = 1024 * 1024;
/** What may lie between two extents that are read at once: the rest of a block. */
const GAP_BYTES_MAX = 4096;
/** Share of the cache that may be on its way when one more window is read. */
const UNDER_WAY_SHARE = 0.25;

export const keyOf = ({ pointers }: DataExtent): string => {
  const { device, addressBytes, generation } = pointers[0]!;
  return `${device}:${addressBytes}:${generation}`;
};

/** An extent that is being read. */
class Coming {
  /** What comes, held for each that waits; undefined comes of what must be read once more, alone. */
  readonly raw: Deferred.Deferred<Raw | undefined> = Deferred.makeUnsafe();
  waiting = 0;
}

export class StoredExtents {
  readonly cache: ReadCache;
  /** Raw bytes that are on their way. */
  underWayBytes = 0;
  private readonly services: EngineServices;
  private readonly windows: Windows;
  /** What is being read. */
  private readonly underWay: Map<string, Coming> = new Map();

  constructor(services: EngineServices) {
    this.services = services;
    this.cache = new ReadCache(services.memory);
    this.windows = new Windows(services.store, this.cache, services.memory);
  }

  /** In memory, or about to be. */
  isNear(extent: DataExtent): boolean {
    const key = keyOf(extent);
    return this.underWay.has(key) || this.cache.has(key);
  }

  /** The decoded bytes, verified, if no device must be waited for; held for the caller. */
  atHand(extent: DataExtent): Raw | undefined {
    const cached = this.cache.touch(keyOf(extent));
    cached?.memory?.hold();
    const found = cached ?? this.inWindow(extent, this.windows.around(extent));
    this.cache.count(found !== undefined);
    return found ?? this.readAtOnce(extent);
  }

  /** The memory of a device's read, held for whoever read. */
  private memoryOf(device: number, bytes: Uint8Array): ReadMemory | undefined {
    const { store } = this.services;
    return (
      store.reuse &&
      new ReadMemory(() => {
        reached("memory of a read used again");
        store.reuse!(device, bytes);
      })
    );
  }

  /** What stored bytes of an extent alone decode to, held for the caller. */
  private decoded(stored: Uint8Array, extent: DataExtent): Raw | undefined {
    const memory = this.memoryOf(extent.pointers[0]!.device, stored);
    const bytes = decode(stored, extent);
    if (bytes === stored) return { bytes, memory };
    memory?.release();
    return bytes && { bytes, memory: undefined };
  }

  /** From a device that has them at hand; what does not verify is left to who can wait. */
  private readAtOnce(extent: DataExtent): Raw | undefined {
    const { device, addressBytes } = extent.pointers[0]!;
    const stored = this.services.store.readAtOnce?.(device, addressBytes, extent.storedBytes);
    const raw = stored && this.decoded(stored, extent);
    if (raw === undefined) return undefined;
    reached("extent read at once");
    this.cache.put(keyOf(extent), raw);
    return raw;
  }

  private inWindow(extent: DataExtent, window: Window | undefined): Raw | undefined {
    const stored = window && this.windows.find(window, extent);
    if (stored === undefined) return undefined;
    const bytes = decode(stored, extent);
    if (bytes === undefined) {
      reached("window older than an extent in it");
      this.windows.drop(window!);
      return undefined;
    }
    reached("extent found in a window");
    // An entry of its own, which must not keep all of the window in memory.
    const own = { bytes: bytes === stored ? bytes.slice() : bytes, memory: undefined };
    this.cache.put(keyOf(extent), own);
    return own;
  }

  /** The decoded bytes, verified, held for the caller; undefined if they are lost. */
  read(extent: DataExtent): Effect.Effect<Raw | undefined> {
    const key = keyOf(extent);
    const near = this.atHand(extent);
    if (near !== undefined) return Effect.succeed(near);
    const coming = this.underWay.get(key);
    if (coming === undefined) return this.readAlone(extent, key);
    reached("read waited for one that was under way");
    coming.waiting++;
    return Effect.flatMap(Deferred.await(coming.raw), (raw) =>
      raw === undefined ? this.readAlone(extent, key) : Effect.succeed(raw),
    );
  }

  private readAlone(extent: DataExtent, key: string): Effect.Effect<Raw | undefined> {
    return Effect.acquireUseRelease(
      Effect.sync(() => !this.underWay.has(key) && this.begin(extent)),
      () =>
        Effect.map(this.readSmall(extent), (raw) => {
          if (raw !== undefined) this.cache.put(key, raw);
          return raw;
        }),
      (begun, exit) => Effect.sync(() => begun && this.settle(extent, Exit.isSuccess(exit) ? exit.value : undefined)),
    );
  }

  private begin(extent: DataExtent): true {
    this.underWay.set(keyOf(extent), new Coming());
    this.underWayBytes += extent.rawBytes;
    return true;
  }

  /** With what lies around it, if that is worth it. */
  private readSmall(extent: DataExtent): Effect.Effect<Raw | undefined> {
    const window = this.windows.around(extent);
    const limit = this.services.memory.readCacheBytes * UNDER_WAY_SHARE;
    if (window === undefined || this.underWayBytes > limit || !this.windows.isWorthReading(window)) {
      return this.readStored(extent, 1);
    }
    const { device, fromBytes, lengthBytes } = window;
    return Effect.acquireUseRelease(
      Effect.sync(() => void (this.underWayBytes += lengthBytes)),
      () =>
        Effect.flatMap(Effect.result(this.services.store.read(device, fromBytes, lengthBytes)), (read) => {
          if (read._tag === "Success") this.keep(window, read.success);
          const raw = this.inWindow(extent, window);
          return raw === undefined ? this.readStored(extent, 1) : Effect.succeed(raw);
        }),
      () => Effect.sync(() => void (this.underWayBytes -= lengthBytes)),
    );
  }

  private keep(window: Window, bytes: Uint8Array): void {
    const memory = this.memoryOf(window.device, bytes);
    this.windows.keep(window, { bytes, memory });
    memory?.release();
  }

  private readStored(extent: DataExtent, tries: number): Effect.Effect<Raw | undefined> {
    const { device, addressBytes } = extent.pointers[0]!;
    return Effect.flatMap(Effect.result(this.services.store.read(device, addressBytes, extent.storedBytes)), (read) => {
      if (read._tag === "Failure") return Effect.succeed(undefined);
      const raw = this.decoded(read.success, extent);
      if (raw !== undefined || tries >= VERIFY_TRIES_MAX) return Effect.succeed(raw);
      reached("extent that did not verify read again");
      return this.readStored(extent, tries + 1);
    });
  }

  /**
   * Reads those of the extents that are not near yet and lie next to others, or all of them with `alone`, and does `also`
   * meanwhile, to which all of these are on their way. However it ends, none is afterwards.
   */
  fetch(extents: ReadonlyArray<DataExtent>, alone: boolean, also = Effect.void): Effect.Effect<void> {
    return Effect.acquireUseRelease(
      Effect.sync(() => this.announce(extents, alone)),
      (groups) => {
        const reads = groups.map((group) => this.readGroup(group));
        return Effect.all([...reads, also], { concurrency: "unbounded", discard: true });
      },
      (groups) =>
        Effect.sync(() => {
          // Whoever was interrupted before its turn came leaves nobody waiting.
          for (const extent of groups.flat()) this.settle(extent, undefined);
        }),
    );
  }

  private announce(extents: ReadonlyArray<DataExtent>, alone: boolean): ReadonlyArray<ReadonlyArray<DataExtent>> {
    const wanted = new Map<string, DataExtent>();
    for (const extent of extents) if (!this.isNear(extent)) wanted.set(keyOf(extent), extent);
    const groups = neighbours([...wanted.values()]).filter((group) => alone || group.length > 1);
    for (const extent of groups.flat()) this.begin(extent);
    return groups;
  }

  private readGroup(group: ReadonlyArray<DataExtent>): Effect.Effect<void> {
    const [first, last] = [group[0]!, group.at(-1)!];
    const { device, addressBytes: from } = first.pointers[0]!;
    const length = last.pointers[0]!.addressBytes + last.storedBytes - from;
    if (group.length > 1) reached("extents read together");
    return Effect.map(Effect.result(this.services.store.read(device, from, length)), (read) => {
      if (read._tag === "Failure") {
        for (const extent of group) this.settle(extent, undefined);
        return;
      }
      const all = read.success;
      const memory = this.memoryOf(device, all);
      for (const extent of group) {
        const at = extent.pointers[0]!.addressBytes - from;
        const stored = all.subarray(at, at + extent.storedBytes);
        const bytes = decode(stored, extent);
        this.settle(extent, bytes && { bytes, memory: bytes === stored ? memory : undefined });
      }
      memory?.release();
    });
  }

  /** The caller holds the bytes, and goes on to. */
  private settle(extent: DataExtent, raw: Raw | undefined): void {
    const key = keyOf(extent);
    const coming = this.underWay.get(key);
    if (coming === undefined) return;
    this.underWay.delete(key);
    this.underWayBytes -= extent.rawBytes;
    if (raw !== undefined) this.cache.put(key, raw);
    for (let waiting = coming.waiting; waiting > 0; waiting--) raw?.memory?.hold();
    Deferred.doneUnsafe(coming.raw, Effect.succeed(raw));
  }
}

/** Runs of extents that lie next to each other on a device, ascending. */
function neighbours(extents: ReadonlyArray<DataExtent>): ReadonlyArray<ReadonlyArray<DataExtent>> {
  const sorted = [...extents].sort((one, other) => {
    const [a, b] = [one.pointers[0]!, other.pointers[0]!];
    return a.device - b.device || a.addressBytes - b.addressBytes;
  });
  const groups: Array<Array<DataExtent>> = [];
  let from = 0;
  let end = 0;
  let device = -1;
  for (const extent of sorted) {
    const place = extent.pointers[0]!;
    const next = place.addressBytes + extent.storedBytes;
    const near = place.device === device && place.addressBytes >= end && place.addressBytes - end < GAP_BYTES_MAX;
    if (near && next - from <= GROUP_BYTES_MAX) groups.at(-1)!.push(extent);
    else {
      groups.push([extent]);
      from = place.addressBytes;
    }
    ({ device } = place);
    end = next;
  }
  return groups;
}
