/**
 * A device in memory: for tests, benchmarks and whoever needs a pool that need not outlive its process.
 *
 * Nothing fails but calls that break the contract, nothing is ever lost, and nothing waits: every verb does its work
 * when it is *called* and returns an effect that has already ended, so running that effect twice does the work once.
 * Memory is taken in chunks at the first write. A read inside one chunk is a view of it, not a copy: it stays as it is
 * until its range is written again without having been discarded or reset in between, which a caller that fills
 * buckets front to back, once, never does.
 */
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import { ZoneViolation } from "./device.ts";
import type { Device, DeviceError, Geometry, ZoneGeometry, Zones } from "./device.ts";
import { assertGeometry, rangeError } from "./range.ts";
import { ZoneTable } from "./sim/zones.ts";

const CHUNK_BYTES = 128 * 1024;

export interface MemoryDeviceOptions {
  readonly name: string;
  readonly capacityBytes: number;
  /** 4096 unless told. */
  readonly blockBytes?: number;
  /** Makes it a zoned device; the zones must add up to the capacity. */
  readonly zones?: ZoneGeometry;
}

/** Sparse bytes in chunks; what was never written reads as zeros. */
class Chunks {
  private readonly chunks: Array<Uint8Array | undefined>;
  private readonly zeros = new Uint8Array(CHUNK_BYTES);

  constructor(capacityBytes: number) {
    this.chunks = Array.from({ length: Math.ceil(capacityBytes / CHUNK_BYTES) }, () => undefined);
  }

  read(offsetBytes: number, lengthBytes: number): Uint8Array {
    const within = offsetBytes % CHUNK_BYTES;
    if (within + lengthBytes <= CHUNK_BYTES) {
      const chunk = this.chunks[Math.floor(offsetBytes / CHUNK_BYTES)] ?? this.zeros;
      return lengthBytes === CHUNK_BYTES ? chunk : chunk.subarray(within, within + lengthBytes);
    }
    const bytes = new Uint8Array(lengthBytes);
    this.forEachPart(offsetBytes, lengthBytes, (index, from, to, done) => {
      const chunk = this.chunks[index];
      if (chunk !== undefined) bytes.set(chunk.subarray(from, to), done);
    });
    return bytes;
  }

  write(offsetBytes: number, bytes: Uint8Array): void {
    this.forEachPart(offsetBytes, bytes.length, (index, from, to, done) => {
      const chunk = (this.chunks[index] ??= new Uint8Array(CHUNK_BYTES));
      chunk.set(to - from === bytes.length ? bytes : bytes.subarray(done, done + to - from), from);
    });
  }

  /** Whole chunks are let go rather than cleared, so that views of them stay as they are. */
  clear(offsetBytes: number, lengthBytes: number): void {
    this.forEachPart(offsetBytes, lengthBytes, (index, from, to) => {
      if (to - from === CHUNK_BYTES) this.chunks[index] = undefined;
      else this.chunks[index] = this.chunks[index]?.slice().fill(0, from, to);
    });
  }

  private forEachPart(
    offsetBytes: number,
    lengthBytes: number,
    visit: (index: number, from: number, to: number, done: number) => void,
  ): void {
    let done = 0;
    while (done < lengthBytes) {
      const from = (offsetBytes + done) % CHUNK_BYTES;
      const to = Math.min(CHUNK_BYTES, from + lengthBytes - done);
      visit(Math.floor((offsetBytes + done) / CHUNK_BYTES), from, to, done);
      done += to - from;
    }
  }
}

/** A conventional device in memory, or a zoned one if `zones` is given. */
export function makeMemoryDevice(options: MemoryDeviceOptions): Device {
  const { name, capacityBytes, blockBytes = 4096 } = options;
  const geometry: Geometry = {
    capacityBytes,
    blockBytes,
    atomicWriteBytes: blockBytes,
    rotational: false,
    zones: options.zones,
  };
  assertGeometry(geometry);
  const chunks = new Chunks(capacityBytes);
  const table = options.zones === undefined ? undefined : ZoneTable.empty(options.zones);
  return {
    name,
    geometry,
    read: (offsetBytes, lengthBytes) => {
      const error = rangeError(name, geometry, offsetBytes, lengthBytes);
      return error === undefined ? Exit.succeed(chunks.read(offsetBytes, lengthBytes)) : Exit.fail(error);
    },
    write: (offsetBytes, bytes) => {
      const error = rangeError(name, geometry, offsetBytes, bytes.length);
      if (error !== undefined) return Exit.fail(error);
      const rule = table?.write(offsetBytes, bytes.length);
      if (rule !== undefined) return Exit.fail(new ZoneViolation(name, table!.zoneOf(offsetBytes), rule));
      chunks.write(offsetBytes, bytes);
      return Exit.void;
    },
    flush: Exit.void,
    discard: (offsetBytes, lengthBytes) => {
      const error = rangeError(name, geometry, offsetBytes, lengthBytes);
      if (error !== undefined) return Exit.fail(error);
      const zone = table?.firstSequential(offsetBytes, lengthBytes);
      if (zone !== undefined) return Exit.fail(new ZoneViolation(name, zone, "discard in a sequential zone"));
      chunks.clear(offsetBytes, lengthBytes);
      return Exit.void;
    },
    zones: table === undefined ? undefined : zoneVerbs(name, geometry, table, chunks),
  };
}

function zoneVerbs(name: string, geometry: Geometry, table: ZoneTable, chunks: Chunks): Zones {
  const outcome = (zone: number, rule: string | undefined): Exit.Exit<void, DeviceError> =>
    rule === undefined ? Exit.void : Exit.fail(new ZoneViolation(name, zone, rule));
  return {
    append: (zone, bytes) => {
      const rule = table.appendRule(zone);
      if (rule !== undefined) return Exit.fail(new ZoneViolation(name, zone, rule));
      const offsetBytes = table.writePointerBytes(zone);
      const error = rangeError(name, geometry, offsetBytes, bytes.length);
      if (error !== undefined) return Exit.fail(error);
      const broken = table.write(offsetBytes, bytes.length);
      if (broken !== undefined) return Exit.fail(new ZoneViolation(name, zone, broken));
      chunks.write(offsetBytes, bytes);
      return Exit.succeed(offsetBytes);
    },
    reset: (zone) => {
      const rule = table.reset(zone);
      if (rule === undefined) chunks.clear(table.startBytes(zone), table.geometry.zoneBytes);
      return outcome(zone, rule);
    },
    finish: (zone) => outcome(zone, table.finish(zone)),
    open: (zone) => outcome(zone, table.open(zone)),
    close: (zone) => outcome(zone, table.close(zone)),
    report: Effect.sync(() => table.report()),
  };
}
