/**
 * The services that files and namespace stand on, in memory, for tests: extents, space, and tables with triggers.
 *
 * Stored bytes lie in a map by address and are never written over. Appends can be made to fail or to wait, stored bytes
 * can be spoiled, and what is held is counted, so that a test can ask whether everything was released. Nothing is ever
 * durable or lost.
 */
import * as Effect from "effect/Effect";
import { MediumError } from "../../devices/device.ts";
import { type AppendError, NoSpaceLeft, type Placement } from "../allocator/write-point.ts";
import { type ReferenceChange, ReferenceStore } from "../btree/reference-store.ts";
import { viewOf } from "../format/codec.ts";
import { Table } from "../format/tables.ts";
import { BACKPOINTER_BYTES, encodeBackpointer } from "../format/values/backpointer.ts";
import { decodeExtent, type ExtentValue, rowLiveBytes } from "../format/values/extent.ts";
import { Compression } from "../format/superblock.ts";
import { choiceOf } from "./compression.ts";
import type { Compressor } from "./compressor.ts";
import type { EngineServices, ExtentStore, SpaceService } from "./services.ts";

const BLOCK_BYTES = 4096;
const BUCKET_BYTES = 1024 * 1024;

export interface ReferenceOptions {
  /** Makes bodies restart and callers wait; see `ReferenceStore`. */
  readonly random?: () => number;
  readonly capacityBytes?: number;
  readonly dirtyBytesMax?: number;
  readonly readCacheBytes?: number;
  readonly compression?: number;
  readonly compressor?: Compressor | undefined;
  readonly directoryHashBits?: number;
  /** What becomes of work in the background; without it none is ever done. */
  readonly background?: EngineServices["background"];
}

export class MemoryExtents implements ExtentStore {
  readonly stored: Map<number, Uint8Array> = new Map();
  appends = 0;
  reads = 0;
  readBytes = 0;
  private readonly readAt: Map<number, number> = new Map();
  /** Places that were appended or held and not released. */
  held = 0;
  /** What the next appends answer instead of storing anything. */
  failing: "no" | "full" | "error" = "no";
  /** Runs before each append and each read. */
  before: Effect.Effect<void> = Effect.void;
  /** Where the next append goes: what was stored so far lies below. */
  endBytes = BLOCK_BYTES;

  append(
    _class: "data" | "collected",
    pieces: ReadonlyArray<Uint8Array>,
  ): Effect.Effect<ReadonlyArray<Placement>, AppendError> {
    return Effect.andThen(
      this.before,
      Effect.suspend((): Effect.Effect<ReadonlyArray<Placement>, AppendError> => {
        if (this.failing === "full") return Effect.fail(new NoSpaceLeft());
        if (this.failing === "error") return Effect.fail(new MediumError("memory", "write", 0, 0, true));
        this.appends++;
        const placements = pieces.map((piece) => {
          const addressBytes = this.endBytes;
          this.stored.set(addressBytes, piece.slice());
          this.endBytes += piece.length;
          return { device: 0, addressBytes, generation: 1 };
        });
        this.endBytes = Math.ceil(this.endBytes / BLOCK_BYTES) * BLOCK_BYTES;
        this.held += pieces.length;
        return Effect.succeed(placements);
      }),
    );
  }

  hold(placements: ReadonlyArray<Placement>): void {
    this.held += placements.length;
  }

  release(placements: ReadonlyArray<Placement>): void {
    this.held -= placements.length;
    if (this.held < 0) throw new Error("released more than was held");
  }

  read(_device: number, addressBytes: number, lengthBytes: number): Effect.Effect<Uint8Array> {
    return Effect.andThen(
      this.before,
      Effect.sync(() => {
        this.reads++;
        this.readBytes += lengthBytes;
        for (let at = 0; at < lengthBytes; at += BLOCK_BYTES) {
          this.readAt.set(addressBytes + at, Math.min(BLOCK_BYTES, lengthBytes - at));
        }
        const piece = this.stored.get(addressBytes);
        if (piece !== undefined && piece.length >= lengthBytes) return piece.subarray(0, lengthBytes);
        const together = new Uint8Array(lengthBytes);
        for (const [address, bytes] of this.stored) {
          const from = Math.max(address, addressBytes);
          const to = Math.min(address + bytes.length, addressBytes + lengthBytes);
          if (from < to) together.set(bytes.subarray(from - address, to - address), from - addressBytes);
        }
        return together;
      }),
    );
  }

  bucketAround(_device: number, addressBytes: number): { fromBytes: number; lengthBytes: number } {
    return { fromBytes: addressBytes - (addressBytes % BUCKET_BYTES), lengthBytes: BUCKET_BYTES };
  }

  /** Bytes that were read at least once. */
  get distinctBytes(): number {
    return [...this.readAt.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  readonly bucketBytes = 1 << 20;

  tailBytes(): number {
    return 1 << 20;
  }

  /** Flips a bit of everything that is stored. */
  spoil(): void {
    for (const [address, bytes] of this.stored) {
      const spoiled = bytes.slice();
      spoiled[0] = spoiled[0]! ^ 1;
      this.stored.set(address, spoiled);
    }
  }
}

class MemorySpace implements SpaceService {
  reserved = 0;
  private readonly capacityBytes: number;
  private readonly live: () => number;

  constructor(capacityBytes: number, live: () => number) {
    this.capacityBytes = capacityBytes;
    this.live = live;
  }

  readonly relieve = Effect.succeed(false);
  reserve(bytes: number): boolean {
    if (bytes > this.availableBytes()) return false;
    this.reserved += bytes;
    return true;
  }
  promised(bytes: number): void {
    this.reserved += bytes;
  }

  release(bytes: number): void {
    this.reserved -= bytes;
    if (this.reserved < 0) throw new Error("more space released than reserved");
  }
  availableBytes(): number {
    return Math.max(0, this.capacityBytes - this.live() - this.reserved);
  }
  totalBytes(): number {
    return this.capacityBytes;
  }
  freeBytes(): number {
    return Math.max(0, this.capacityBytes - this.live());
  }
  admitsMetadata(): boolean {
    return this.availableBytes() > 0;
  }
  readonly admitMetadata = Effect.sync(() => this.admitsMetadata());
}

export interface ReferenceBench extends EngineServices {
  readonly transactor: ReferenceStore;
  readonly store: MemoryExtents;
  readonly space: MemorySpace;
  /** Live bytes that rows refer to. */
  readonly liveBytes: () => number;
}

const extentOf = (value: Uint8Array): ExtentValue => decodeExtent(viewOf(value), 0, value.length);

export function makeReferenceServices(options: ReferenceOptions = {}): ReferenceBench {
  let live = 0;
  const changed = ({ table, inode, offset, snapshot, before, after }: ReferenceChange): void => {
    if (table !== Table.extents) return;
    const was = before === undefined ? undefined : extentOf(before);
    const is = after === undefined ? undefined : extentOf(after);
    if (was?.kind === "data") {
      live -= rowLiveBytes(was);
      // Rows of one commit come in any order: what another row has put there stays.
      const key = [0, was.pointers[0]!.addressBytes, was.rawOffset] as const;
      const there = transactor.get(Table.backpointers, ...key);
      if (there !== undefined && backpointer(inode, offset, snapshot).every((byte, at) => byte === there[at])) {
        transactor.set(Table.backpointers, ...key, undefined);
      }
    }
    if (is?.kind === "data") {
      live += rowLiveBytes(is);
      const row = backpointer(inode, offset, snapshot);
      transactor.set(Table.backpointers, 0, is.pointers[0]!.addressBytes, is.rawOffset, row);
    }
  };
  const transactor: ReferenceStore = new ReferenceStore({
    changed,
    ...(options.random === undefined ? {} : { random: options.random }),
  });
  return {
    transactor,
    store: new MemoryExtents(),
    space: new MemorySpace(options.capacityBytes ?? 2 ** 40, () => live),
    liveBytes: () => live,
    hashSeed: [1, 2],
    directoryHashBits: options.directoryHashBits ?? 48,
    compression: choiceOf(options.compression ?? Compression.zstd),
    compressor: options.compressor,
    blockBytes: BLOCK_BYTES,
    readOnly: false,
    memory: { dirtyBytesMax: options.dirtyBytesMax ?? 2 ** 30, readCacheBytes: options.readCacheBytes ?? 0 },
    background: options.background ?? (() => undefined),
    failure: () => undefined,
  };
}

function backpointer(inode: number, offset: number, snapshot: number): Uint8Array {
  const row = new Uint8Array(BACKPOINTER_BYTES);
  encodeBackpointer(viewOf(row), 0, { table: Table.extents, inode, offset, snapshot });
  return row;
}
