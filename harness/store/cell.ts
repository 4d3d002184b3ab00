/**
 * A store by which scenarios on a device are tested: a number in the first block of a disk.
 */
import * as Effect from "effect/Effect";
import type { Device } from "../../devices/device.ts";
import { fixedTiming } from "../../devices/sim/timing.ts";
import type { DevicePlan, DeviceScenario } from "./device-scenario.ts";

/** A number in the first block, which one write makes another; nothing could be simpler and right. */
export class Cell {
  readonly device: Device;
  number: number;

  constructor(device: Device, number: number) {
    this.device = device;
    this.number = number;
  }

  static readonly open = (device: Device): Effect.Effect<Cell, unknown> =>
    Effect.map(
      device.read(0, 512),
      (block) => new Cell(device, new DataView(block.buffer, block.byteOffset).getUint32(0)),
    );

  write(number: number): Effect.Effect<void, unknown> {
    const block = new Uint8Array(512);
    new DataView(block.buffer).setUint32(0, number);
    return Effect.map(this.device.write(0, block), () => {
      this.number = number;
    });
  }
}

export interface Put {
  readonly set: number;
}
export type Operation = Put | "sync" | "hang";

export const isSet = (operation: Operation): operation is Put => typeof operation === "object";

export const perform = (cell: Cell, operation: Operation): Effect.Effect<unknown, unknown> => {
  if (operation === "hang") return Effect.never;
  return operation === "sync" ? cell.device.flush : cell.write(operation.set);
};

export const SETS: ReadonlyArray<Operation> = [
  { set: 1 },
  { set: 2 },
  "sync",
  { set: 3 },
  { set: 4 },
  "sync",
  { set: 5 },
];

/** What is set is durable once it was synced. */
export function cell(
  plan: Partial<DevicePlan<Operation>> = {},
  changes: Partial<DeviceScenario<Cell, Operation>> = {},
): DeviceScenario<Cell, Operation> {
  return {
    name: "cell",
    summary: "a number in a block",
    plan: () => ({
      geometry: {
        ...{ capacityBytes: 64 * 1024, blockBytes: 512, atomicWriteBytes: 512 },
        ...{ rotational: false, zones: undefined },
      },
      disk: { timing: fixedTiming({ write: 1, flush: 2 }) },
      clients: [SETS],
      crash: { statesMax: 30, pointShare: 1, recoveryShare: 0.3, livesShare: 0.5 },
      ...plan,
    }),
    open: Cell.open,
    perform,
    check: ({ number }, history) =>
      Effect.sync(() => {
        const allowed = history.lastOf(isSet, (operation) => operation === "sync").map((each) => each?.set ?? 0);
        return allowed.includes(number) ? [] : [`it holds ${number}, allowed: ${allowed.join(", ")}`];
      }),
    ...changes,
  };
}
