/**
 * The course that every operation of a simulated device takes: issue, delay, completion.
 *
 * Owns the numbering of operations, whether the device answers at all, which faults strike, how long an operation
 * takes and who is told. What an operation does is its caller's: `issue` acts at once and says what happens at
 * completion. Effects are lazy, so running one again is a new operation: a retry meets new faults.
 */
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import { DeviceGone } from "../device.ts";
import type { DeviceError, DeviceOperation, Geometry, OutOfRange } from "../device.ts";
import { rangeError } from "../range.ts";
import { faultStream, findStrike, noFaults, Respites } from "./faults.ts";
import type { FaultPlan, IoIdentity, IoKind, Strike } from "./faults.ts";
import { instantTiming } from "./timing.ts";
import type { Timing } from "./timing.ts";

/** An operation was issued, completed well, or failed. */
export type DiskPhase = "issue" | "complete" | "fail";

/** Told of every operation; `index` numbers the device's operations. It must not call the device. */
export type DiskObserver = (
  phase: DiskPhase,
  operation: DeviceOperation,
  offsetBytes: number,
  lengthBytes: number,
  index: number,
) => void;

export interface RunnerOptions {
  readonly name: string;
  readonly faults?: FaultPlan;
  readonly timing?: Timing;
  readonly observer?: DiskObserver | undefined;
  /** Lets other fibers run between issue and completion of operations that take no time. */
  readonly yields?: boolean;
}

/** What an issued operation comes to when it completes. */
export type Completion<A> = () => Exit.Exit<A, DeviceError>;

const UNTOUCHED: ReadonlyArray<Strike> = [];

const monotonicMs = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6;

export class OperationRunner {
  /** Operations issued so far. */
  count = 0;
  /** The device does not answer, not even to what is in flight. */
  gone = false;
  /** Time on the clock that never jumps at which a device that is gone is back. */
  private backAtMs = Number.POSITIVE_INFINITY;
  /** What is in flight when the device goes fails, even if the device is back by the time it completes. */
  departures = 0;
  private readonly respites = new Respites();
  faults: FaultPlan;
  observer: DiskObserver | undefined;
  private readonly name: string;
  private readonly stream: number;
  private readonly geometry: Geometry;
  private readonly timing: Timing;
  private readonly yields: boolean;
  private readonly onOutOfRange: (error: OutOfRange) => void;
  private readonly onGone: (key: number) => void;
  private readonly kindCounts: Record<IoKind, number> = { read: 0, write: 0, flush: 0, other: 0 };

  /** `onGone` is called when the device goes, with a key for what of its volatile content survives. */
  constructor(
    geometry: Geometry,
    options: RunnerOptions,
    onOutOfRange: (error: OutOfRange) => void,
    onGone: (key: number) => void,
  ) {
    this.name = options.name;
    this.stream = faultStream(options.name);
    this.geometry = geometry;
    this.faults = options.faults ?? noFaults;
    this.timing = options.timing ?? instantTiming;
    this.observer = options.observer;
    this.yields = options.yields ?? false;
    this.onOutOfRange = onOutOfRange;
    this.onGone = onGone;
  }

  /** Fails while the device is gone; it may just be back. */
  readonly answers: Effect.Effect<void, DeviceGone> = Effect.suspend(() => {
    if (!this.gone) return Effect.void;
    return Clock.clockWith((clock) => {
      if (monotonicMs(clock) < this.backAtMs) return Exit.fail(new DeviceGone(this.name));
      this.gone = false;
      return Effect.void;
    });
  });

  /** The cable is pulled, for so long. */
  private leave(forMs: number, key: number): Effect.Effect<never, DeviceGone> {
    this.gone = true;
    this.backAtMs = Number.POSITIVE_INFINITY;
    this.departures++;
    this.onGone(key);
    return Clock.clockWith((clock) => {
      this.backAtMs = monotonicMs(clock) + forMs;
      return Exit.fail(new DeviceGone(this.name));
    });
  }

  run<A>(
    operation: DeviceOperation,
    kind: IoKind,
    offsetBytes: number,
    lengthBytes: number,
    issue: (index: number, strikes: ReadonlyArray<Strike>) => Completion<A> | DeviceError,
  ): Effect.Effect<A, DeviceError> {
    return Effect.suspend((): Effect.Effect<A, DeviceError> => {
      if (this.gone) {
        const now = this.run(operation, kind, offsetBytes, lengthBytes, issue);
        return Effect.flatMap(this.answers, () => now);
      }
      const outside = rangeError(this.name, this.geometry, offsetBytes, lengthBytes);
      if (outside !== undefined) {
        this.onOutOfRange(outside);
        return Exit.fail(outside);
      }
      const index = this.count++;
      const kindIndex = this.kindCounts[kind]++;
      const strikes = this.strikes({ kind, kindIndex, index, offsetBytes, lengthBytes });
      const pulled = findStrike(strikes, "gone");
      if (pulled !== undefined) {
        this.observer?.("fail", operation, offsetBytes, lengthBytes, index);
        return this.leave(pulled.fault.delayMs ?? Number.POSITIVE_INFINITY, pulled.key);
      }
      const { departures } = this;
      const completion = issue(index, strikes);
      this.observer?.("issue", operation, offsetBytes, lengthBytes, index);
      return this.afterDelay(operation, offsetBytes, lengthBytes, index, strikes, () => {
        const lost = departures !== this.departures;
        const exit = lost ? Exit.fail(new DeviceGone(this.name)) : this.complete(completion);
        this.observer?.(exit._tag === "Success" ? "complete" : "fail", operation, offsetBytes, lengthBytes, index);
        return exit;
      });
    });
  }

  /** Numbers and tells of a read that takes no time and that nothing strikes; false, and nothing has happened, if not. */
  readsAtOnce(offsetBytes: number, lengthBytes: number): boolean {
    if (this.gone || this.faults.faults.length > 0 || !this.timing.instant || this.yields) return false;
    if (rangeError(this.name, this.geometry, offsetBytes, lengthBytes) !== undefined) return false;
    const index = this.count++;
    this.kindCounts.read++;
    this.observer?.("issue", "read", offsetBytes, lengthBytes, index);
    this.observer?.("complete", "read", offsetBytes, lengthBytes, index);
    return true;
  }

  private strikes(io: IoIdentity): ReadonlyArray<Strike> {
    if (this.faults.faults.length === 0) return UNTOUCHED;
    return this.respites.filter(this.faults.strikes(this.stream, io), io);
  }

  private complete<A>(completion: Completion<A> | DeviceError): Exit.Exit<A, DeviceError> {
    if (this.gone) return Exit.fail(new DeviceGone(this.name));
    return typeof completion === "function" ? completion() : Exit.fail(completion);
  }

  private afterDelay<A>(
    operation: DeviceOperation,
    offsetBytes: number,
    lengthBytes: number,
    index: number,
    strikes: ReadonlyArray<Strike>,
    complete: () => Exit.Exit<A, DeviceError>,
  ): Effect.Effect<A, DeviceError> {
    const extraMs = findStrike(strikes, "delay")?.fault.delayMs ?? 0;
    if (this.timing.instant && extraMs === 0) {
      return this.yields ? Effect.uninterruptible(Effect.flatMap(Effect.yieldNow, complete)) : complete();
    }
    return Clock.clockWith((clock) => {
      const nowMs = monotonicMs(clock);
      const delayMs = extraMs + this.timing.delayMs(operation, offsetBytes, lengthBytes, index, nowMs);
      if (delayMs <= 0) return complete();
      return Effect.uninterruptible(Effect.flatMap(Effect.sleep(delayMs), complete));
    });
  }
}
