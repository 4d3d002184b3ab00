import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Effect from "effect/Effect";
import type { Scope } from "effect/Scope";
import { afterAll, beforeAll, describe, it } from "vitest";
import type { Device, Geometry, ZoneGeometry } from "../device.ts";
import { createFile, openFileDevice } from "../file.ts";
import { makeMemoryDevice } from "../memory.ts";
import { fixedTiming, spreadTiming } from "../sim/timing.ts";
import { SimDisk } from "../sim/disk.ts";
import type { SimDiskBehaviour } from "../sim/disk.ts";
import { conformanceCases } from "./index.ts";

const MIB = 1024 * 1024;

const zones: ZoneGeometry = {
  zoneBytes: MIB,
  zoneCapacityBytes: MIB - 64 * 1024,
  zoneCount: 16,
  conventionalCount: 2,
  openZonesMax: 3,
  activeZonesMax: 5,
};

function simulated(
  blockBytes: number,
  zonesOf: ZoneGeometry | undefined,
  behaviour: Partial<SimDiskBehaviour> = {},
): Effect.Effect<Device> {
  const geometry: Geometry = {
    capacityBytes: 16 * MIB,
    blockBytes,
    atomicWriteBytes: 512,
    rotational: false,
    zones: zonesOf,
  };
  return Effect.sync(() => SimDisk.make({ name: "sim", geometry, ...behaviour }));
}

/** `obstacle` says why the device cannot be had here, once the tests run. */
function suite(
  title: string,
  zonesOf: ZoneGeometry | undefined,
  open: Effect.Effect<Device, unknown, Scope>,
  obstacle: () => string | undefined = () => undefined,
): void {
  describe(`on ${title}`, () => {
    it.for(conformanceCases.filter(({ appliesTo }) => appliesTo(zonesOf)))("$title", ({ run }, { skip }) => {
      const reason = obstacle();
      if (reason !== undefined) skip(reason);
      return Effect.runPromise(Effect.scoped(Effect.flatMap(open, run)));
    });
  });
}

suite(
  "memory",
  undefined,
  Effect.sync(() => makeMemoryDevice({ name: "memory", capacityBytes: 16 * MIB })),
);
suite(
  "memory with zones",
  zones,
  Effect.sync(() => makeMemoryDevice({ name: "memory", capacityBytes: 16 * MIB, blockBytes: 512, zones })),
);
suite("simulated", undefined, simulated(4096, undefined));
suite(
  "simulated, blocks of 512 bytes, slow and out of order",
  undefined,
  simulated(512, undefined, { timing: spreadTiming(1, 0, 2) }),
);
suite("simulated with zones", zones, simulated(4096, zones, { yields: true }));
suite(
  "simulated with zones, blocks of 512 bytes, slow",
  zones,
  simulated(512, zones, { timing: fixedTiming({ write: 1 }) }),
);

describe("of the system", () => {
  const folder = mkdtempSync(join(tmpdir(), "varve-conformance-"));
  const path = join(folder, "image");
  let loop: Loop = { device: "", obstacle: "not attached yet" };
  beforeAll(async () => {
    await Effect.runPromise(createFile(path, 16 * MIB + 100));
    loop = attachLoop(join(folder, "loop-image"));
  });
  afterAll(() => {
    if (loop.obstacle === undefined) execFileSync("losetup", ["--detach", loop.device]);
    rmSync(folder, { recursive: true });
  });

  suite("file", undefined, openFileDevice(path));
  suite(
    "loop device",
    undefined,
    Effect.suspend(() => openFileDevice(loop.device)),
    () => loop.obstacle,
  );
});

interface Loop {
  readonly device: string;
  /** Why there is none. */
  readonly obstacle: string | undefined;
}

/** A loop device over a new file. */
function attachLoop(image: string): Loop {
  if (process.getuid?.() !== 0) return { device: "", obstacle: "a loop device needs root" };
  try {
    Effect.runSync(createFile(image, 8 * MIB));
    return {
      device: execFileSync("losetup", ["--find", "--show", image], { encoding: "utf8", stdio: "pipe" }).trim(),
      obstacle: undefined,
    };
  } catch (error) {
    return { device: "", obstacle: error instanceof Error ? error.message.split("\n", 2).join(" ") : String(error) };
  }
}
