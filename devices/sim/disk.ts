/**
 * A simulated disk: content, faults, timing and zone rules composed into a `Device`, all of it a function of its options
 * and of what it is asked.
 *
 * An operation is *issued* when its effect runs: it is checked, numbered, takes effect in what reads see and becomes
 * volatile, all in one synchronous step. It *completes* at once, or after its delay in virtual time; until then a flush
 * does not cover it and a crash may tear it. The observer is called at both points, before anything else happens, and
 * may take crash images there. Operations in flight are not interruptible, as on a real device.
 *
 * A call that breaks the contract fails, and is kept in `violations`: a run with any is a failed run.
 */
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import { MediumError, ZoneViolation } from "../device.ts";
import type { Device, DeviceError, DeviceOperation, Geometry, OutOfRange, Zones } from "../device.ts";
import { assertGeometry } from "../range.ts";
import { DiskContent } from "./content.ts";
import type { CrashImage } from "./crash.ts";
import { faultStream, findStrike } from "./faults.ts";
import type { FaultPlan, Strike } from "./faults.ts";
import { mix32 } from "./keyed-hash.ts";
import { OperationRunner } from "./operation-runner.ts";
import type { Completion, DiskObserver, RunnerOptions } from "./operation-runner.ts";
import { staleBytes } from "./stale.ts";
import { DiskStatistics } from "./statistics.ts";
import { type Survival, survivesCut } from "./survival.ts";
import { VolatileOperation } from "./volatile.ts";
import { ZoneFaults } from "./zone-faults.ts";
import type { ZoneTable } from "./zones.ts";

export interface SimDiskBehaviour extends RunnerOptions {
  /** Keys the choices that are not faults, such as what a discarded range reads as. */
  readonly seed?: number;
  /** Remembers what blocks held before, which faults may then give back. */
  readonly keepsEarlier?: boolean;
  /** Reads that take no time are answered without an effect where they are asked for so; not unless told. */
  readonly answersAtOnce?: boolean;
  /** Reads give memory of their own, and what is given back is written over at once: nobody may look at it any more. */
  readonly reusesMemory?: boolean;
  /** Counts writes; on unless told, off is a little faster. */
  readonly statistics?: boolean;
}

export interface SimDiskOptions extends SimDiskBehaviour {
  readonly geometry: Geometry;
}

const DISCARD_STREAM = 0x64697363;
const TORN_STREAM = 0x746f726e;
/** What memory holds that was given back. */
const GIVEN_BACK = 0xa5;

export class SimDisk implements Device {
  readonly name: string;
  readonly geometry: Geometry;
  readonly flush: Effect.Effect<void, DeviceError>;
  readonly zones: Zones | undefined;
  readonly violations: Array<ZoneViolation | OutOfRange> = [];
  readonly statistics: DiskStatistics;
  private readonly content: DiskContent;
  private readonly seed: number;
  private readonly stream: number;
  private readonly counting: boolean;
  private readonly runner: OperationRunner;
  private readonly zoneFaults: ZoneFaults;
  private flushBroken = false;
  /** Only where memory is used again. */
  readonly reuse?: (bytes: Uint8Array) => void;
  /** Reads may be answered without an effect; may change at any time. */
  answersAtOnce: boolean;

  private constructor(image: CrashImage, behaviour: SimDiskBehaviour) {
    this.name = behaviour.name;
    this.geometry = image.geometry;
    this.content = new DiskContent(image, behaviour.keepsEarlier);
    this.seed = behaviour.seed ?? 0;
    this.stream = faultStream(behaviour.name);
    this.counting = behaviour.statistics ?? true;
    this.answersAtOnce = behaviour.answersAtOnce ?? false;
    this.runner = new OperationRunner(
      image.geometry,
      behaviour,
      (error) => this.violations.push(error),
      (key) => this.content.losePower(survivesCut(key)),
    );
    this.statistics = new DiskStatistics(image.geometry.capacityBytes, image.geometry.blockBytes);
    this.zoneFaults = new ZoneFaults(this.content);
    this.flush = this.runner.run("flush", "flush", 0, 0, (_index, strikes) => this.issueFlush(strikes));
    if (behaviour.reusesMemory === true) this.reuse = (bytes) => void bytes.fill(GIVEN_BACK);
    this.zones = this.content.liveZones === undefined ? undefined : this.zoneVerbs();
  }

  /** A new disk: everything reads as zeros, all zones are empty. */
  static make(options: SimDiskOptions): SimDisk {
    assertGeometry(options.geometry);
    return new SimDisk(DiskContent.blank(options.geometry), options);
  }

  /** A disk that holds what a crash left. The image stays as it is. */
  static fromImage(image: CrashImage, behaviour: SimDiskBehaviour): SimDisk {
    return new SimDisk(image, behaviour);
  }

  /** Volatile operations in issue order, those in flight included. */
  get pending(): ReadonlyArray<VolatileOperation> {
    return this.content.pending;
  }

  /** Operations issued so far. */
  get operations(): number {
    return this.runner.count;
  }

  /** What a loss of power at this moment would leave. The disk goes on undisturbed. */
  crash(survival: Survival): CrashImage {
    return this.content.crash(survival);
  }

  /** Inverts a bit on the medium. */
  rot(offsetBytes: number, bit: number): void {
    this.content.rot(offsetBytes, bit);
  }

  /** A latent sector error: the range cannot be read until it is written again. */
  makeUnreadable(offsetBytes: number, lengthBytes: number): void {
    this.content.bad.makeUnreadable(offsetBytes, lengthBytes);
  }

  /** Writes and commands on zones that had been given up before. */
  get futileOperations(): number {
    return this.zoneFaults.futileOperations;
  }

  get offlineZones(): number {
    return this.content.liveZones?.offlineCount ?? 0;
  }

  /** The device gives a sequential zone up. */
  failZone(zone: number, state: "read-only" | "offline"): void {
    this.content.failZone(zone, state);
  }

  /** Was the device gone by a fault, be it back or not? */
  get departed(): boolean {
    return this.runner.departures > 0;
  }

  /** From now on, and for what is in flight, the device does not answer. */
  disconnect(): void {
    this.runner.gone = true;
  }

  /** The device is back, with all that it had accepted. */
  reconnect(): void {
    this.runner.gone = false;
  }

  /** Replaces the faults, as when they must stop so that the pool can converge. */
  setFaults(faults: FaultPlan): void {
    this.runner.faults = faults;
  }

  setObserver(observer: DiskObserver | undefined): void {
    this.runner.observer = observer;
  }

  // Functions rather than methods, so that a wrapper may spread a device or pass a verb on.
  readonly read = (offsetBytes: number, lengthBytes: number): Effect.Effect<Uint8Array, DeviceError> =>
    this.runner.run("read", "read", offsetBytes, lengthBytes, (_index, strikes) =>
      this.issueRead(offsetBytes, lengthBytes, strikes),
    );

  readonly write = (offsetBytes: number, bytes: Uint8Array): Effect.Effect<void, DeviceError> =>
    this.runner.run("write", "write", offsetBytes, bytes.length, (index, strikes) =>
      this.issueWrite("write", offsetBytes, bytes, index, strikes, undefined),
    );

  readonly discard = (offsetBytes: number, lengthBytes: number): Effect.Effect<void, DeviceError> =>
    this.runner.run("discard", "other", offsetBytes, lengthBytes, (index) => {
      const zone = this.content.liveZones?.firstSequential(offsetBytes, lengthBytes);
      if (zone !== undefined) return this.violation(zone, "discard in a sequential zone");
      const key = mix32(this.seed ^ DISCARD_STREAM, this.stream, index);
      if (this.counting) {
        this.statistics.discards++;
        this.statistics.discardedBytes += lengthBytes;
        this.statistics.emptied(offsetBytes, lengthBytes);
      }
      return this.accept(VolatileOperation.discard(index, offsetBytes, lengthBytes, key));
    });

  /** Reads of a disk that answers at once and has nothing against this one. */
  readonly readAtOnce = (offsetBytes: number, lengthBytes: number): Uint8Array | undefined => {
    const { content } = this;
    if (!this.answersAtOnce || content.bad.failsRead(offsetBytes, lengthBytes)) return undefined;
    if (this.touchesOffline(offsetBytes, lengthBytes)) return undefined;
    if (!this.runner.readsAtOnce(offsetBytes, lengthBytes)) return undefined;
    if (this.counting) {
      this.statistics.reads++;
      this.statistics.readBytes += lengthBytes;
    }
    return this.lent(content.live.read(offsetBytes, lengthBytes));
  };

  /** What nobody else has, if it may be given back. */
  private lent(bytes: Uint8Array): Uint8Array {
    return this.reuse === undefined ? bytes : bytes.slice();
  }

  private issueRead(
    offsetBytes: number,
    lengthBytes: number,
    strikes: ReadonlyArray<Strike>,
  ): Completion<Uint8Array> | DeviceError {
    const { content } = this;
    this.zoneFaults.giveUp(strikes, offsetBytes, lengthBytes);
    const failure = findStrike(strikes, "read-error");
    if (failure?.fault.permanent === true) content.bad.makeUnreadable(offsetBytes, lengthBytes);
    const mediaRot = findStrike(strikes, "media-rot");
    if (mediaRot !== undefined) this.rotWithin(offsetBytes, lengthBytes, mediaRot.key);
    const readRot = findStrike(strikes, "read-rot");
    const misdirected = findStrike(strikes, "misdirected-read");
    const from =
      misdirected === undefined
        ? offsetBytes
        : this.elsewhere(lengthBytes, this.geometry.capacityBytes, misdirected.key);
    return () => {
      const unreadable =
        content.bad.failsRead(offsetBytes, lengthBytes) || this.touchesOffline(offsetBytes, lengthBytes);
      if (unreadable || failure !== undefined) {
        return Exit.fail(new MediumError(this.name, "read", offsetBytes, lengthBytes, unreadable));
      }
      if (this.counting) {
        this.statistics.reads++;
        this.statistics.readBytes += lengthBytes;
      }
      const stale = findStrike(strikes, "stale-read");
      const bytes =
        stale === undefined || content.earlier === undefined
          ? content.live.read(from, lengthBytes)
          : staleBytes(content.live, content.earlier, offsetBytes, lengthBytes, stale.key);
      return Exit.succeed(readRot === undefined ? this.lent(bytes) : withTurnedBit(bytes, readRot.key));
    };
  }

  /** A block below `endBytes` from which so many bytes fit. */
  private elsewhere(lengthBytes: number, endBytes: number, key: number): number {
    const { blockBytes } = this.geometry;
    return (key % (Math.floor((endBytes - lengthBytes) / blockBytes) + 1)) * blockBytes;
  }

  /** End of the range in which any block can be written at any time. */
  private get rewritableBytes(): number {
    const { capacityBytes, zones } = this.geometry;
    return zones === undefined ? capacityBytes : zones.conventionalCount * zones.zoneBytes;
  }

  private rotWithin(offsetBytes: number, lengthBytes: number, key: number): void {
    if (lengthBytes > 0) this.content.rot(offsetBytes + ((key >>> 3) % lengthBytes), key & 7);
  }

  private touchesOffline(offsetBytes: number, lengthBytes: number): boolean {
    const zones = this.content.liveZones;
    if (zones === undefined || zones.offlineCount === 0 || lengthBytes === 0) return false;
    const last = zones.zoneOf(offsetBytes + lengthBytes - 1);
    for (let zone = zones.zoneOf(offsetBytes); zone <= last; zone++) if (zones.state(zone) === "offline") return true;
    return false;
  }

  /** `appendedTo`: the zone whose write pointer chose the offset. */
  private issueWrite(
    operation: "write" | "append",
    offsetBytes: number,
    bytes: Uint8Array,
    index: number,
    strikes: ReadonlyArray<Strike>,
    appendedTo: number | undefined,
  ): Completion<void> | DeviceError {
    const { liveZones, bad } = this.content;
    const zone = liveZones === undefined || bytes.length === 0 ? -1 : liveZones.zoneOf(offsetBytes);
    const lengthBytes = bytes.length;
    if (zone >= 0) this.zoneFaults.asked(zone);
    this.zoneFaults.giveUp(strikes, offsetBytes, lengthBytes);
    if (zone >= 0 && liveZones!.hasFailed(zone)) {
      return new MediumError(this.name, operation, offsetBytes, lengthBytes, true);
    }
    const rule = zone < 0 ? undefined : liveZones!.writeRule(offsetBytes, lengthBytes);
    if (rule !== undefined) return this.violation(appendedTo ?? zone, rule);
    const sequential = zone >= 0 && !liveZones!.isConventional(zone);
    if (bad.failsWrite(offsetBytes, lengthBytes)) {
      return new MediumError(this.name, operation, offsetBytes, lengthBytes, true);
    }
    const failure = findStrike(strikes, "write-error");
    if (failure !== undefined) {
      const permanent = failure.fault.permanent ?? false;
      if (permanent) bad.makeUnwritable(offsetBytes, lengthBytes);
      else if (!sequential) this.writeTorn(index, offsetBytes, bytes, failure.key);
      return new MediumError(this.name, operation, offsetBytes, lengthBytes, permanent);
    }
    if (sequential && strikes.length > 0) {
      const cut = this.zoneFaults.cutWrite(strikes, zone, lengthBytes);
      if (cut !== undefined) {
        if (cut.keptBytes > 0) this.writeFront(index, offsetBytes, bytes.subarray(0, cut.keptBytes), zone);
        if (cut.permanent) this.content.failZone(zone, "read-only");
        return new MediumError(this.name, operation, offsetBytes, lengthBytes, cut.permanent);
      }
    }
    if (this.counting) this.statistics.wrote(offsetBytes, lengthBytes);
    if (!sequential && findStrike(strikes, "lost-write") !== undefined) return () => Exit.void;
    const misdirected = sequential ? undefined : findStrike(strikes, "misdirected-write");
    if (misdirected !== undefined && lengthBytes <= this.rewritableBytes) {
      const elsewhere = this.elsewhere(lengthBytes, this.rewritableBytes, misdirected.key);
      return this.accept(VolatileOperation.write(index, elsewhere, bytes, -1));
    }
    liveZones?.write(offsetBytes, lengthBytes);
    bad.written(offsetBytes, lengthBytes);
    return this.accept(VolatileOperation.write(index, offsetBytes, bytes, sequential ? zone : -1));
  }

  /** What a failed write to a sequential zone leaves behind: its front, and the write pointer behind that. */
  private writeFront(index: number, offsetBytes: number, bytes: Uint8Array, zone: number): void {
    if (this.counting) this.statistics.wrote(offsetBytes, bytes.length);
    this.content.liveZones!.write(offsetBytes, bytes.length);
    this.accept(VolatileOperation.write(index, offsetBytes, bytes, zone))();
  }

  /** A failed write leaves nothing, everything, or some of its atomic units behind. */
  private writeTorn(index: number, offsetBytes: number, bytes: Uint8Array, key: number): void {
    const { atomicWriteBytes } = this.geometry;
    const whole = VolatileOperation.write(index, offsetBytes, bytes, -1);
    for (let unit = 0; unit < whole.unitCount(atomicWriteBytes); unit++) {
      if ((mix32(key, TORN_STREAM, unit) & 1) === 0) continue;
      const from = whole.unitStart(unit, atomicWriteBytes);
      const part = bytes.subarray(from, whole.unitStart(unit + 1, atomicWriteBytes));
      this.accept(VolatileOperation.write(index, offsetBytes + from, part, -1))();
    }
  }

  private issueFlush(strikes: ReadonlyArray<Strike>): Completion<void> {
    const failure = findStrike(strikes, "flush-error");
    if (failure?.fault.permanent === true) this.flushBroken = true;
    if (failure !== undefined || this.flushBroken) {
      return () => Exit.fail(new MediumError(this.name, "flush", 0, 0, this.flushBroken));
    }
    const point = this.content.beginFlush();
    return () => {
      this.content.endFlush(point);
      if (this.counting) this.statistics.flushes++;
      return Exit.void;
    };
  }

  private accept(operation: VolatileOperation): Completion<void> {
    this.content.accept(operation);
    return () => {
      operation.completed = true;
      return Exit.void;
    };
  }

  private violation(zone: number, rule: string): ZoneViolation {
    const violation = new ZoneViolation(this.name, zone, rule);
    this.violations.push(violation);
    return violation;
  }

  /** Of a zoned disk; another one after power was lost. */
  private get table(): ZoneTable {
    return this.content.liveZones!;
  }

  private zoneVerbs(): Zones {
    const { zoneBytes } = this.table.geometry;
    const verb = (
      operation: DeviceOperation,
      zone: number,
      act: (index: number) => string | VolatileOperation | undefined,
    ): Effect.Effect<void, DeviceError> =>
      this.runner.run(operation, "other", this.zoneOffset(zone), 0, (index, strikes) => {
        if (this.isZone(zone) && !this.table.isConventional(zone)) {
          const failure = this.zoneFaults.command(strikes, operation, zone);
          if (failure !== undefined) {
            return new MediumError(this.name, operation, zone * zoneBytes, zoneBytes, failure === "permanent");
          }
        }
        const outcome = act(index);
        if (typeof outcome === "string") return this.violation(zone, outcome);
        return outcome === undefined ? () => Exit.void : this.accept(outcome);
      });
    return {
      append: (zone, bytes) => this.append(zone, bytes),
      reset: (zone) =>
        verb("reset", zone, (index) => {
          const rule = this.table.reset(zone);
          if (rule !== undefined) return rule;
          if (this.counting) {
            this.statistics.resets++;
            this.statistics.emptied(zone * zoneBytes, zoneBytes);
          }
          return VolatileOperation.reset(index, zone * zoneBytes, zoneBytes, zone);
        }),
      finish: (zone) =>
        verb("finish", zone, (index) => {
          const rule = this.table.finish(zone);
          if (rule !== undefined) return rule;
          if (this.counting) this.statistics.finishes++;
          return VolatileOperation.finish(index, zone * zoneBytes, zoneBytes, zone);
        }),
      open: (zone) => verb("open", zone, () => this.table.open(zone)),
      close: (zone) => verb("close", zone, () => this.table.close(zone)),
      report: Effect.map(this.runner.answers, () => this.table.report()),
    };
  }

  private isZone(zone: number): boolean {
    const { zones } = this.geometry;
    return zones !== undefined && Number.isInteger(zone) && zone >= 0 && zone < zones.zoneCount;
  }

  /** A zone that does not exist is left to the zone rules to refuse. */
  private zoneOffset(zone: number): number {
    return this.isZone(zone) ? zone * this.geometry.zones!.zoneBytes : 0;
  }

  private append(zone: number, bytes: Uint8Array): Effect.Effect<number, DeviceError> {
    const start = this.zoneOffset(zone);
    const lengthBytes = bytes.length;
    return this.runner.run(
      "append",
      "write",
      start,
      lengthBytes,
      (index, strikes): Completion<number> | DeviceError => {
        const { table } = this;
        if (this.isZone(zone) && table.hasFailed(zone)) {
          return new MediumError(this.name, "append", start, lengthBytes, true);
        }
        const rule = table.appendRule(zone);
        if (rule !== undefined) return this.violation(zone, rule);
        const offsetBytes = table.writePointerBytes(zone);
        const outcome = this.issueWrite("append", offsetBytes, bytes, index, strikes, zone);
        if (typeof outcome !== "function") return outcome;
        return () => Exit.map(outcome(), () => offsetBytes);
      },
    );
  }
}

function withTurnedBit(bytes: Uint8Array, key: number): Uint8Array {
  const turned = bytes.slice();
  if (turned.length > 0) turned[(key >>> 3) % turned.length]! ^= 1 << (key & 7);
  return turned;
}
