/**
 * Stories of what is read together: long files from front to back, and small ones that were written one after another.
 */
import * as Effect from "effect/Effect";
import { FaultPlan } from "../devices/sim/faults.ts";
import type { Entropy } from "../harness/entropy.ts";
import type { Client, Program, ScenarioPlan } from "../harness/scenario.ts";
import { perform, performer } from "../harness/workload/operation.ts";
import { CRASHES, type Medium, pool, STRICT, type Story } from "./pools.ts";

const KIB = 1024;
const FILES = ["/a", "/b"];

/** Writes a file from its front, then again over what is there, and sometimes syncs. */
function writer(path: string, rounds: number): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const { random, filesystem, note } = client;
      const by = performer(filesystem, note);
      yield* perform({ kind: "create", path }, by);
      for (let round = 0; round < rounds; round++) {
        const end = random.between(300, 900) * KIB;
        const texture = random.pick(["text", "noise"] as const);
        for (let at = 0; at < end;) {
          const lengthBytes = random.pick([30, 100, 128, 200]) * KIB;
          const pattern = { tag: random.below(9_000_000), lengthBytes, texture };
          yield* perform({ kind: "write", target: path, offsetBytes: at, pattern }, by);
          at += lengthBytes;
          if (random.chance(0.05)) yield* perform({ kind: "fsync", target: path }, by);
        }
        if (random.chance(0.5)) yield* perform({ kind: "fsync", target: path }, by);
        if (random.chance(0.3)) yield* perform({ kind: "truncate", target: path, sizeBytes: 0 }, by);
        yield* perform({ kind: "sleep", milliseconds: random.between(1, 300) }, by);
      }
    });
}

/** Reads a file from its front to its end, in requests of one length. */
function reader(rounds: number): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const { random, filesystem, note } = client;
      const by = performer(filesystem, note);
      for (let round = 0; round < rounds; round++) {
        yield* perform({ kind: "sleep", milliseconds: random.between(1, 200) }, by);
        const target = random.pick(FILES);
        const lengthBytes = random.pick([16, 128, 300]) * KIB;
        const turns = Math.min(12, Math.ceil((600 * KIB) / lengthBytes));
        for (let turn = 0; turn < turns; turn++) {
          yield* perform({ kind: "read", target, offsetBytes: turn * lengthBytes, lengthBytes }, by);
        }
      }
    });
}

const streams: Story = {
  name: "streams",
  summary: "long files are written from front to back faster than they are stored, and read so",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("clients");
    const base = pool(entropy, medium);
    const clients: Array<Program> = [writer(FILES[0]!, random.between(1, 2)), reader(random.between(1, 4))];
    if (random.chance(0.4)) clients.push(writer(FILES[1]!, 1));
    if (random.chance(0.4)) clients.push(reader(2));
    const readCacheBytes = random.pick([0, 256 * KIB, 2048 * KIB]);
    const dirtyBytesMax = random.pick([256 * KIB, 1024 * KIB, 4096 * KIB]);
    const open = { ...base.open, readCacheBytes, dirtyBytesMax };
    const disk = { ...base.disk, reusesMemory: true };
    return { ...base, disk, open, tolerance: STRICT, clients, crash: { ...CRASHES, statesMax: 20 } };
  },
};

const SMALL_FILES = Array.from({ length: 24 }, (_, index) => `/${index}`);

/** Writes small files one after another, some of them anew, and removes some. */
function smallWriter(rounds: number): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const { random, filesystem, note } = client;
      const by = performer(filesystem, note);
      for (const path of SMALL_FILES) yield* perform({ kind: "create", path }, by);
      for (let round = 0; round < rounds; round++) {
        for (let count = random.between(4, 16); count > 0; count--) {
          const target = random.pick(SMALL_FILES);
          const texture = random.pick(["text", "noise"] as const);
          const lengthBytes = random.between(1, 12_000);
          const pattern = { tag: random.below(9_000_000), lengthBytes, texture };
          yield* perform({ kind: "write", target, offsetBytes: 0, pattern }, by);
          if (random.chance(0.3)) yield* perform({ kind: "fsync", target }, by);
          if (random.chance(0.2)) yield* perform({ kind: "truncate", target, sizeBytes: random.below(3000) }, by);
        }
        yield* perform({ kind: "syncfs" }, by);
        yield* perform({ kind: "sleep", milliseconds: random.between(1, 60) }, by);
      }
    });
}

/** Reads small files from their fronts to their ends, in any order. */
function smallReader(reads: number): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const { random, filesystem, note } = client;
      const by = performer(filesystem, note);
      for (let read = 0; read < reads; read++) {
        yield* perform({ kind: "read", target: random.pick(SMALL_FILES), offsetBytes: 0, lengthBytes: 16 * KIB }, by);
        if (random.chance(0.2)) yield* perform({ kind: "sleep", milliseconds: random.between(1, 40) }, by);
      }
    });
}

const sideBySide: Story = {
  name: "side-by-side",
  summary:
    "small files are written one after another, again and again, and read in any order with what lies around them",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("clients");
    const base = pool(entropy, medium, SMALL_FILES.length);
    const clients: Array<Program> = [smallWriter(random.between(2, 6)), smallReader(random.between(20, 60))];
    if (random.chance(0.4)) clients.push(smallReader(20));
    const open = { ...base.open, readCacheBytes: random.pick([64 * KIB, 256 * KIB, 1024 * KIB]) };
    // A read that goes wrong now and then; three in a row would be an error.
    const probability = random.pick([0, 0.003]);
    const faults = new FaultPlan(random.u32(), [
      { kind: "read-rot", probability },
      { kind: "misdirected-read", probability },
    ]);
    return {
      ...base,
      disk: { ...base.disk, faults, reusesMemory: true },
      open,
      tolerance: STRICT,
      clients,
      crash: CRASHES,
    };
  },
};

export const streamStories: ReadonlyArray<Story> = [streams, sideBySide];
