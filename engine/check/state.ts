/**
 * What the passes share: where to read, what they have found, and what earlier passes have learned for later ones.
 *
 * The facts of an inode and of a bucket are gathered once, by the pass that reads their table, and completed by those
 * that come after. Memory grows with the number of inodes and buckets, and with nothing else.
 */
import type { Transactor } from "../btree/transaction.ts";
import type { Findings } from "./findings.ts";

export const FileTypeBits = {
  mask: 0o170000,
  socket: 0o140000,
  symlink: 0o120000,
  regular: 0o100000,
  block: 0o060000,
  directory: 0o040000,
  character: 0o020000,
  fifo: 0o010000,
} as const;

export const ROOT = 1;

/** An inode's row, and what other tables say of the inode. */
export interface InodeFacts {
  readonly type: number;
  readonly links: number;
  readonly sizeBytes: number;
  readonly allocatedBytes: number;
  readonly parent: number;
  /** Names that stand for it. */
  names: number;
  /** Of a directory: its entries, and how many of them are directories. */
  entries: number;
  subdirectories: number;
  /** Bytes that its extents cover. */
  coveredBytes: number;
}

/** What extents and nodes say of a bucket. */
export interface BucketFacts {
  readonly device: number;
  readonly bucket: number;
  /** Of the pointers into it; undefined as long as there is none. */
  generation: number | undefined;
  dataBytes: number;
  nodeBytes: number;
}

/** The shape of the devices, as far as addresses are concerned. */
export interface Places {
  readonly devices: number;
  /** Buckets of a device. */
  bucketCount(device: number): number;
  bucketOf(device: number, addressBytes: number): number;
  /** Bytes of a bucket behind an address in it. */
  bytesBehind(device: number, addressBytes: number): number;
  /** Superblock and journal buckets hold neither data nor nodes. */
  isReserved(device: number, bucket: number): boolean;
}

/** A record of a btree node that the trees refer to. */
export interface NodePlace {
  readonly table: number;
  readonly level: number;
  readonly device: number;
  readonly addressBytes: number;
  readonly lengthBytes: number;
  readonly generation: number;
}

export interface CheckState {
  readonly transactor: Transactor;
  readonly findings: Findings;
  readonly places: Places;
  /** Row offset at which a name belongs in its directory; undefined: not checked. */
  readonly offsetOfName: ((name: Uint8Array) => number) | undefined;
  readonly inodes: Map<number, InodeFacts>;
  /** Inodes that wait to be deleted. */
  readonly orphans: Set<number>;
  /** Inodes whose rows behind an offset are still being taken out. */
  readonly truncating: Map<number, number>;
  readonly buckets: Map<string, BucketFacts>;
  /** Pointers of all extents. */
  pointers: number;
  /** Live bytes that all extents keep. */
  dataBytes: number;
}

export function checkState(
  transactor: Transactor,
  findings: Findings,
  places: Places,
  offsetOfName?: (name: Uint8Array) => number,
): CheckState {
  return {
    transactor,
    findings,
    places,
    offsetOfName,
    inodes: new Map(),
    orphans: new Set(),
    truncating: new Map(),
    buckets: new Map(),
    pointers: 0,
    dataBytes: 0,
  };
}

export function bucketFacts(state: CheckState, device: number, bucket: number): BucketFacts {
  const key = `${device}:${bucket}`;
  let facts = state.buckets.get(key);
  if (facts === undefined) {
    facts = { device, bucket, generation: undefined, dataBytes: 0, nodeBytes: 0 };
    state.buckets.set(key, facts);
  }
  return facts;
}

/** Does the range lie within one bucket that may hold data or nodes? If not, why not. */
export function placeFault(
  places: Places,
  device: number,
  addressBytes: number,
  lengthBytes: number,
): string | undefined {
  if (device >= places.devices) return `device ${device} is no member`;
  const bucket = places.bucketOf(device, addressBytes);
  if (bucket >= places.bucketCount(device)) return `byte ${addressBytes} is behind the last bucket`;
  if (places.isReserved(device, bucket)) return `bucket ${bucket} belongs to the superblock or the journal`;
  if (lengthBytes > places.bytesBehind(device, addressBytes))
    return `bytes ${addressBytes}+${lengthBytes} leave bucket ${bucket}`;
  return undefined;
}
