/**
 * A small key-value store: a log of records on a bare device, and in memory what each key has.
 *
 * A record begins at a block and is padded to whole blocks: checksum, sequence, lengths of key and value (all u32),
 * key, value. What is put is durable when `put` returns. Opening reads records from the start up to the first that is
 * not whole or not the next one; the next record goes there. Nothing is ever collected: a full log stays full.
 */
import * as Effect from "effect/Effect";
import * as Semaphore from "effect/Semaphore";
import type { Device, DeviceError } from "varve/devices";

/** The record does not fit behind the others. */
export class LogFull {
  readonly _tag = "LogFull";
}

const HEADER_BYTES = 16;
/** Longer ones are none: a bound on what is read for a header that may be anything. */
const RECORD_BYTES_MAX = 64 * 1024;

/** FNV-1a, over everything behind the checksum itself. */
function checksumOf(record: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let at = 4; at < record.length; at++) hash = Math.imul(hash ^ record[at]!, 16777619);
  return hash >>> 0;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

export class KvLog {
  private readonly device: Device;
  private readonly values = new Map<string, Uint8Array>();
  /** One record at a time: the next one may begin only where this one ended. */
  private readonly writing = Semaphore.makeUnsafe(1);
  private endBytes = 0;
  private sequence = 0;

  private constructor(device: Device) {
    this.device = device;
  }

  /** A blank device is an empty log. */
  static open(device: Device): Effect.Effect<KvLog, DeviceError> {
    return Effect.gen(function* () {
      const log = new KvLog(device);
      while (yield* log.readRecord());
      return log;
    });
  }

  get keys(): ReadonlyArray<string> {
    return [...this.values.keys()];
  }

  get(key: string): Uint8Array | undefined {
    return this.values.get(key);
  }

  put(key: string, value: Uint8Array): Effect.Effect<void, DeviceError | LogFull> {
    const { device, writing } = this;
    const write = Effect.suspend((): Effect.Effect<void, DeviceError | LogFull> => {
      const record = this.recordOf(new TextEncoder().encode(key), value);
      if (this.endBytes + record.length > device.geometry.capacityBytes) return Effect.fail(new LogFull());
      return Effect.gen(
        function* (this: KvLog) {
          yield* device.write(this.endBytes, record);
          yield* device.flush;
          this.endBytes += record.length;
          this.sequence++;
          this.values.set(key, value);
        }.bind(this),
      );
    });
    return writing.withPermits(1)(write);
  }

  private wholeBlocks(lengthBytes: number): number {
    const { blockBytes } = this.device.geometry;
    return Math.ceil(lengthBytes / blockBytes) * blockBytes;
  }

  private recordOf(key: Uint8Array, value: Uint8Array): Uint8Array {
    const record = new Uint8Array(this.wholeBlocks(HEADER_BYTES + key.length + value.length));
    const view = viewOf(record);
    view.setUint32(4, this.sequence, true);
    view.setUint32(8, key.length, true);
    view.setUint32(12, value.length, true);
    record.set(key, HEADER_BYTES);
    record.set(value, HEADER_BYTES + key.length);
    view.setUint32(0, checksumOf(record), true);
    return record;
  }

  /** Takes in the record at the end of what is known; false if there is none. */
  private readRecord(): Effect.Effect<boolean, DeviceError> {
    return Effect.gen(
      function* (this: KvLog) {
        const { capacityBytes, blockBytes } = this.device.geometry;
        const start = this.endBytes;
        if (start + blockBytes > capacityBytes) return false;
        const header = viewOf(yield* this.device.read(start, blockBytes));
        const keyBytes = header.getUint32(8, true);
        const valueBytes = header.getUint32(12, true);
        const lengthBytes = this.wholeBlocks(HEADER_BYTES + keyBytes + valueBytes);
        if (lengthBytes > RECORD_BYTES_MAX || start + lengthBytes > capacityBytes) return false;
        if (keyBytes === 0 || header.getUint32(4, true) !== this.sequence) return false;
        const record = yield* this.device.read(start, lengthBytes);
        if (checksumOf(record) !== header.getUint32(0, true)) return false;
        const key = new TextDecoder().decode(record.subarray(HEADER_BYTES, HEADER_BYTES + keyBytes));
        this.values.set(key, record.slice(HEADER_BYTES + keyBytes, HEADER_BYTES + keyBytes + valueBytes));
        this.endBytes += lengthBytes;
        this.sequence++;
        return true;
      }.bind(this),
    );
  }
}
