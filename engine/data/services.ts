/**
 * What the data and filesystem rooms need from the rest of the engine, as plain interfaces.
 *
 * Pool wiring provides them; tests provide others. Nothing here has behaviour.
 */
import type { Effect } from "effect/Effect";
import type { DeviceError } from "../../devices/device.ts";
import type { PoolFailed } from "../actor.ts";
import type { AppendError, Placement } from "../allocator/write-point.ts";
import type { Transactor } from "../btree/transaction.ts";
import type { CompressionChoice } from "./compression.ts";
import type { Compressor } from "./compressor.ts";
import type { SurvivorLog } from "../journal/survivor-log.ts";

export interface ExtentStore {
  /** Appends the pieces back to back and returns where each went, once written (not yet durable) and held. */
  readonly append: (
    writeClass: "data" | "collected",
    pieces: ReadonlyArray<Uint8Array>,
  ) => Effect<ReadonlyArray<Placement>, AppendError | PoolFailed>;
  /** Keeps the buckets of these places from being reset until they are released as often. */
  readonly hold: (placements: ReadonlyArray<Placement>) => void;
  /** The commit of what went there has happened, or never will; or what was held for reading has been read. */
  readonly release: (placements: ReadonlyArray<Placement>) => void;
  readonly read: (device: number, addressBytes: number, lengthBytes: number) => Effect<Uint8Array, DeviceError>;
  /** Bytes that a read gave, at none of which anybody looks any more: what they lie in may serve another read. */
  readonly reuse?: (device: number, bytes: Uint8Array) => void;
  /** The same of a device that has the bytes at hand; `undefined`: `read` tells. */
  readonly readAtOnce?: (device: number, addressBytes: number, lengthBytes: number) => Uint8Array | undefined;
  /** The bucket that an address lies in: where it begins, and how long it is. */
  readonly bucketAround: (
    device: number,
    addressBytes: number,
  ) => { readonly fromBytes: number; readonly lengthBytes: number };
  /** Bytes that still fit into the open bucket of a class. */
  readonly tailBytes: (writeClass: "data" | "collected") => number;
  /** Bytes that fit into a new one. */
  readonly bucketBytes: number;
}

export interface SpaceService {
  readonly reserve: (bytes: number) => boolean;
  readonly release: (bytes: number) => void;
  /** Reserves what was promised by a process before this one, whatever there is. */
  readonly promised: (bytes: number) => void;
  readonly availableBytes: () => number;
  readonly totalBytes: () => number;
  readonly freeBytes: () => number;
  readonly admitsMetadata: () => boolean;
  /** Frees what can be freed until metadata is admitted; false if it is not in the end. */
  readonly admitMetadata: Effect<boolean, PoolFailed>;
  /** Frees what can be freed; true if that was something. */
  readonly relieve: Effect<boolean, PoolFailed>;
}

/** What data may take of memory; may change at any time. */
export interface MemoryLimits {
  /** Memory that data waiting to be written may take; writers wait beyond it. */
  dirtyBytesMax: number;
  /** Decoded extents kept for reading. */
  readCacheBytes: number;
}

export interface EngineServices {
  /** `commitBytesMax`: what one transaction may stage, if there is a limit below that of the interface. */
  readonly transactor: Transactor & { readonly commitBytesMax?: number };
  readonly store: ExtentStore;
  readonly space: SpaceService;
  readonly hashSeed: readonly [number, number];
  readonly directoryHashBits: number;
  /** Of new data. */
  readonly compression: CompressionChoice;
  /** Compresses new data ahead of who writes it. */
  readonly compressor?: Compressor | undefined;
  readonly blockBytes: number;
  readonly readOnly: boolean;
  readonly memory: MemoryLimits;
  /** Runs work on a fiber of its own that ends with the pool; whatever fails must have been handled inside. */
  readonly background: (name: string, work: Effect<void>) => void;
  /** Why nothing can be written any more. */
  readonly failure: () => PoolFailed | undefined;
  /** Keeps what takes effect for the next process. */
  readonly survivors?: SurvivorLog | undefined;
}
