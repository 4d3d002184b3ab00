/**
 * The devices that a command names: opened with the scope, and locked against other users for as long.
 */
import * as Effect from "effect/Effect";
import type { Scope } from "effect/Scope";
import type { Device } from "../devices/device.ts";
import { type DeviceRefused, openFileDevice } from "../devices/file.ts";

export function openDevices(
  paths: ReadonlyArray<string>,
  readOnly: boolean,
): Effect.Effect<ReadonlyArray<Device>, DeviceRefused, Scope> {
  return Effect.forEach(paths, (path) => openFileDevice(path, { readOnly }));
}
