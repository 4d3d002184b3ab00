/**
 * What a conformance case is, and the few tools that cases are written with.
 *
 * A case dies with a sentence when the device breaks the contract; an error of the device ends it too.
 */
import * as Effect from "effect/Effect";
import type { Device, DeviceError, ZoneGeometry } from "../device.ts";

export interface ConformanceCase {
  readonly title: string;
  /** False for a device, conventional or with these zones, of which the case has nothing to ask. */
  readonly appliesTo: (zones: ZoneGeometry | undefined) => boolean;
  readonly run: (device: Device) => Effect.Effect<void, DeviceError>;
}

/** Dies with the sentence unless it holds. */
export function must(holds: boolean, sentence: string): void {
  if (!holds) throw new Error(sentence);
}

/** Bytes that differ from block to block and from pattern to pattern. */
export function pattern(lengthBytes: number, number: number): Uint8Array {
  return Uint8Array.from({ length: lengthBytes }, (_, at) => (at * 31 + (at >>> 9) * 7 + number * 101 + 1) & 0xff);
}

export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

/** The tag of what an effect fails with, or undefined if it succeeds. */
export const failureOf = <A>(effect: Effect.Effect<A, DeviceError>): Effect.Effect<DeviceError["_tag"] | undefined> =>
  Effect.match(effect, { onFailure: (error) => error._tag, onSuccess: () => undefined });

/** Empties a range that can be written from its start, and says where that is. */
export const emptied = (device: Device): Effect.Effect<number, DeviceError> => {
  const { zones } = device.geometry;
  if (zones === undefined) return Effect.as(device.discard(0, device.geometry.capacityBytes), 0);
  const zone = zones.conventionalCount;
  return Effect.as(device.zones!.reset(zone), zone * zones.zoneBytes);
};
