/**
 * A device whose I/O is counted, and each of whose failures is told. Changes nothing of what it does.
 */
import * as Effect from "effect/Effect";
import type { Device, DeviceError, Zones } from "../devices/device.ts";

export interface DeviceCounts {
  readonly device: string;
  readonly reads: number;
  readonly readBytes: number;
  readonly writes: number;
  readonly writtenBytes: number;
  readonly flushes: number;
  readonly discards: number;
  readonly errors: number;
}

type Counts = { -readonly [Key in keyof DeviceCounts]: DeviceCounts[Key] };

export interface WatchedDevice extends Device {
  readonly counts: DeviceCounts;
}

export function describeDeviceError(error: DeviceError): string {
  switch (error._tag) {
    case "MediumError": {
      const { device, operation, lengthBytes, offsetBytes, permanent } = error;
      const again = permanent ? "" : ", for now";
      return `${device}: ${operation} of ${lengthBytes} bytes at ${offsetBytes} failed${again}`;
    }
    case "DeviceGone":
      return `${error.device} is gone`;
    case "ZoneViolation":
      return `${error.device}: zone ${error.zone}: ${error.rule}`;
    case "OutOfRange":
      return `${error.device}: nothing is at ${error.offsetBytes} (${error.lengthBytes} bytes)`;
  }
}

export function watchDevice(device: Device, report: (line: string) => void): WatchedDevice {
  const counts: Counts = {
    device: device.name,
    ...{ reads: 0, readBytes: 0, writes: 0, writtenBytes: 0, flushes: 0, discards: 0, errors: 0 },
  };
  const told = <A>(effect: Effect.Effect<A, DeviceError>): Effect.Effect<A, DeviceError> =>
    Effect.tapError(effect, (error) =>
      Effect.sync(() => {
        counts.errors++;
        report(describeDeviceError(error));
      }),
    );
  const { zones } = device;
  const written = (bytes: Uint8Array): void => {
    counts.writes++;
    counts.writtenBytes += bytes.length;
  };
  return {
    counts,
    name: device.name,
    geometry: device.geometry,
    ...(device.reuse === undefined ? {} : { reuse: device.reuse }),
    ...(device.writeBuffer === undefined ? {} : { writeBuffer: device.writeBuffer }),
    read: (offsetBytes, lengthBytes) => {
      counts.reads++;
      counts.readBytes += lengthBytes;
      return told(device.read(offsetBytes, lengthBytes));
    },
    write: (offsetBytes, bytes) => {
      written(bytes);
      return told(device.write(offsetBytes, bytes));
    },
    flush: Effect.suspend(() => {
      counts.flushes++;
      return told(device.flush);
    }),
    discard: (offsetBytes, lengthBytes) => {
      counts.discards++;
      return told(device.discard(offsetBytes, lengthBytes));
    },
    zones: zones === undefined ? undefined : watchZones(zones, told, written),
  };
}

function watchZones(
  zones: Zones,
  told: <A>(effect: Effect.Effect<A, DeviceError>) => Effect.Effect<A, DeviceError>,
  written: (bytes: Uint8Array) => void,
): Zones {
  return {
    append: (zone, bytes) => {
      written(bytes);
      return told(zones.append(zone, bytes));
    },
    reset: (zone) => told(zones.reset(zone)),
    finish: (zone) => told(zones.finish(zone)),
    open: (zone) => told(zones.open(zone)),
    close: (zone) => told(zones.close(zone)),
    report: told(zones.report),
  };
}
