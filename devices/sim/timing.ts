/**
 * How long a simulated device takes for an operation, in virtual milliseconds (fractions are fine).
 *
 * A model is asked once for every operation, in issue order, and may keep state of its own, such as where a head is or
 * until when a channel is busy; `nowMs` is virtual time. It must be a function of what it was asked: no clock, no
 * entropy. The models here have no state; models of real devices implement the same interface.
 */
import type { DeviceOperation } from "../device.ts";
import { mix32 } from "./keyed-hash.ts";

export interface Timing {
  /** True when the delay is always 0; the device then never asks, and completes operations at once. */
  readonly instant: boolean;
  /** The call that makes it, so that a run can be written down as a program. */
  readonly source?: string;
  /** Time from issue to completion of the device's operation number `index`. */
  readonly delayMs: (
    operation: DeviceOperation,
    offsetBytes: number,
    lengthBytes: number,
    index: number,
    nowMs: number,
  ) => number;
}

/** Everything completes at once. */
export const instantTiming: Timing = { instant: true, source: "instantTiming", delayMs: () => 0 };

/** Fixed delays by operation; `elseMs` for those not named. */
export function fixedTiming(delaysMs: Partial<Record<DeviceOperation, number>>, elseMs = 0): Timing {
  const source = `fixedTiming(${JSON.stringify(delaysMs)}, ${elseMs})`;
  return { instant: false, source, delayMs: (operation) => delaysMs[operation] ?? elseMs };
}

/** A share of the reads takes so much longer, which ones is drawn; all else as `timing` has it. */
export function someReadsSlow(timing: Timing, seed: number, share: number, slowMs: number): Timing {
  return {
    instant: false,
    source: `someReadsSlow(${timing.source}, ${seed}, ${share}, ${slowMs})`,
    delayMs: (operation, offsetBytes, lengthBytes, index, nowMs) => {
      const isSlow = operation === "read" && mix32(seed, 0x736c6f77, index) / 0x100000000 < share;
      return (isSlow ? slowMs : 0) + timing.delayMs(operation, offsetBytes, lengthBytes, index, nowMs);
    },
  };
}

/** Delays spread evenly over a range, so that concurrent operations complete in any order. */
export function spreadTiming(seed: number, leastMs: number, mostMs: number): Timing {
  return {
    instant: false,
    source: `spreadTiming(${seed}, ${leastMs}, ${mostMs})`,
    delayMs: (_operation, _offsetBytes, _lengthBytes, index) =>
      leastMs + ((mostMs - leastMs) * mix32(seed, 0x74696d65, index)) / 0x100000000,
  };
}
