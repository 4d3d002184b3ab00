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
import { faultStream, findStrike, noFaults } from "./faults.ts";
import type { FaultPlan, IoKind, Strike } from "./faults.ts";
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

export class OperationRunner {
  /** Operations issued so far. */
  count = 0;
  /** The device does not answer, not even to what is in flight. */
  gone = false;
  faults: FaultPlan;
  observer: DiskObserver | undefined;
  private readonly name: string;
  private readonly stream: number;
  private readonly geometry: Geometry;
  private readonly timing: Timing;
  private readonly yields: boolean;
  private readonly onOutOfRange: (error: OutOfRange) => void;
  private readonly kindCounts: Record<IoKind, number> = { read: 0, write: 0, flush: 0, other: 0 };

  constructor(geometry: Geometry, options: RunnerOptions, onOutOfRange: (error: OutOfRange) => void) {
    this.name = options.name;
    this.stream = faultStream(options.name);
    this.geometry = geometry;
    this.faults = options.faults ?? noFaults;
    this.timing = options.timing ?? instantTiming;
    this.observer = options.observer;
    this.yields = options.yields ?? false;
    this.onOutOfRange = onOutOfRange;
  }

  run<A>(
    operation: DeviceOperation,
    kind: IoKind,
    offsetBytes: number,
    lengthBytes: number,
    issue: (index: number, strikes: ReadonlyArray<Strike>) => Completion<A> | DeviceError,
  ): Effect.Effect<A, DeviceError> {
    return Effect.suspend((): Effect.Effect<A, DeviceError> => {
      if (this.gone) return Exit.fail(new DeviceGone(this.name));
      const outside = rangeError(this.name, this.geometry, offsetBytes, lengthBytes);
      if (outside !== undefined) {
        this.onOutOfRange(outside);
        return Exit.fail(outside);
      }
      const index = this.count++;
      const kindIndex = this.kindCounts[kind]++;
      const strikes =
        this.faults.faults.length === 0
          ? UNTOUCHED
          : this.faults.strikes(this.stream, { kind, kindIndex, index, offsetBytes, lengthBytes });
      const completion = issue(index, strikes);
      this.observer?.("issue", operation, offsetBytes, lengthBytes, index);
      return this.afterDelay(operation, offsetBytes, lengthBytes, index, strikes, () => {
        const exit = this.complete(completion);
        this.observer?.(exit._tag === "Success" ? "complete" : "fail", operation, offsetBytes, lengthBytes, index);
        return exit;
      });
    });
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
      const nowMs = clock.currentTimeMillisUnsafe();
      const delayMs = extraMs + this.timing.delayMs(operation, offsetBytes, lengthBytes, index, nowMs);
      if (delayMs <= 0) return complete();
      return Effect.uninterruptible(Effect.flatMap(Effect.sleep(delayMs), complete));
    });
  }
}
