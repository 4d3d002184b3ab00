/**
 * The disks and pools that scenarios run on: small ones, each seed a little different.
 *
 * What differs between seeds is drawn here from streams of their own: geometry, timing, and the settings of the engine
 * that change which paths it takes (small caches, small tree nodes, colliding names, rare or frequent writeback).
 */
import type { Geometry } from "../devices/device.ts";
import { fixedTiming, instantTiming, spreadTiming } from "../devices/sim/timing.ts";
import type { OpenOptions } from "../engine/pool/pool.ts";
import type { FormatOptions } from "../engine/pool/shape.ts";
import type { Entropy, Prng } from "../harness/entropy.ts";
import type { CrashPlan, Program, Scenario, ScenarioPlan } from "../harness/scenario.ts";
import type { Profile } from "../harness/workload/profile.ts";
import { randomProgram } from "../harness/workload/program.ts";

const MEBIBYTE = 1024 * 1024;
const ZONE_BYTES = 256 * 1024;

export type Medium = "conventional" | "zoned";

export const CRASHES: CrashPlan = { statesMax: 30, pointShare: 1, recoveryShare: 0.2 };
export const STRICT = { noSpace: false, reasons: [] } as const;
export const MAY_BE_FULL = { noSpace: true, reasons: [] } as const;

export function conventional(random: Prng, capacityBytes = 16 * MEBIBYTE): Geometry {
  const blockBytes = random.pick([512, 4096]);
  const atomicWriteBytes = random.pick([blockBytes, 4096]);
  return { capacityBytes, blockBytes, atomicWriteBytes, rotational: random.chance(0.5), zones: undefined };
}

export function zoned(random: Prng, zoneCount = 64): Geometry {
  const limit = random.pick([0, 8, 14]);
  return {
    capacityBytes: zoneCount * ZONE_BYTES,
    blockBytes: 4096,
    atomicWriteBytes: 4096,
    rotational: random.chance(0.5),
    zones: {
      zoneBytes: ZONE_BYTES,
      zoneCapacityBytes: random.pick([ZONE_BYTES, 192 * 1024]),
      zoneCount,
      conventionalCount: random.pick([0, 0, 2]),
      openZonesMax: limit,
      activeZonesMax: limit,
    },
  };
}

/** Hardly more than the least that a pool fits on, so that each bucket comes round soon. */
export function tiny(random: Prng, medium: Medium): Geometry {
  return medium === "zoned" ? zoned(random, 28) : conventional(random, 30 * 128 * 1024);
}

function timing(random: Prng): NonNullable<ScenarioPlan["disk"]> {
  switch (random.below(4)) {
    case 0:
      return { timing: instantTiming };
    case 1:
      return { timing: instantTiming, yields: true };
    case 2:
      return { timing: fixedTiming({ read: 0.1, write: 0.2, append: 0.2, flush: 3 }, 0.05) };
    default:
      return { timing: spreadTiming(random.u32(), 0.05, 8) };
  }
}

function openOptions(random: Prng): OpenOptions {
  return {
    commitIntervalMs: random.pick([0, 50, 1000]),
    writebackIntervalMs: random.pick([0, 200, 5000]),
    dirtyBytesMax: random.pick([128 * 1024, 2 * MEBIBYTE]),
    readCacheBytes: random.pick([0, 256 * 1024]),
    nodeCacheBytes: random.pick([512 * 1024, 8 * MEBIBYTE]),
    ...(random.chance(0.3) ? { treeLimits: { fanMax: 4, leafRowsMax: 12 } } : {}),
  };
}

/** Some pools write their nodes in checkpoints now and then, as if the journal had no room. */
export function checkpoints(entropy: Entropy): OpenOptions {
  const random = entropy.stream("checkpoints");
  return random.chance(0.2) ? { checkpointChunks: random.pick([1, 2, 5, 20]) } : {};
}

/** So few bits that names of a directory often have one hash, but no more of them than a row of names can hold. */
const hashBitsFor = (names: number): number => 3 + Math.ceil(Math.log2(Math.max(1, names / 8)));

function formatOptions(random: Prng, names: number): Partial<FormatOptions> {
  return {
    compression: random.pick(["zstd", "none"]),
    ...(random.chance(0.3) ? { directoryHashBits: hashBitsFor(names) } : {}),
  };
}

/** A pool as a seed has it, for directories of about so many names; scenarios replace what matters to them. */
export function pool(
  entropy: Entropy,
  medium: Medium,
  names = 8,
): Pick<ScenarioPlan, "geometry" | "disk" | "format" | "open"> {
  const random = entropy.stream("pool");
  return {
    geometry: medium === "zoned" ? zoned(random) : conventional(random),
    disk: timing(random),
    format: formatOptions(random, names),
    open: { ...openOptions(random), ...checkpoints(entropy) },
  };
}

export interface Story {
  readonly name: string;
  readonly summary: string;
  readonly plan: (entropy: Entropy, medium: Medium) => ScenarioPlan;
}

/** The story on a conventional disk, and the same on a zoned one. */
export function onBothMedia({ name, summary, plan }: Story): ReadonlyArray<Scenario> {
  return [
    { name, summary, plan: (entropy) => plan(entropy, "conventional") },
    { name: `zoned/${name}`, summary: `${summary}, on a zoned disk`, plan: (entropy) => plan(entropy, "zoned") },
  ];
}

/** A story of clients that do random operations of a kind. */
export function randomStory(
  name: string,
  summary: string,
  clients: (random: Prng) => ReadonlyArray<{ readonly profile: Profile; readonly operations: number }>,
  changes: Partial<ScenarioPlan> = {},
): Story {
  return {
    name,
    summary,
    plan: (entropy, medium) => {
      const chosen = clients(entropy.stream("clients"));
      const names = Math.max(...chosen.map(({ profile }) => profile.fileNames.length + profile.directoryNames.length));
      return {
        ...pool(entropy, medium, names),
        tolerance: STRICT,
        clients: chosen.map(({ profile, operations }): Program => randomProgram(profile, operations)),
        crash: CRASHES,
        ...changes,
      };
    },
  };
}
