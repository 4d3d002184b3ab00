/**
 * Stories of files with so many extents that one transaction cannot change them all: what takes several is crashed in
 * between, and read while it goes on.
 */
import * as Effect from "effect/Effect";
import type { Entropy, Prng } from "../harness/entropy.ts";
import type { Client, Program, ScenarioPlan } from "../harness/scenario.ts";
import { type Operation, perform, performer } from "../harness/workload/operation.ts";
import { CRASHES, type Medium, pool, STRICT, type Story } from "./pools.ts";

const FILES = ["/x", "/y"];
/** Distance between the pieces of a file, so that none touches the next. */
const STRIDE_BYTES = 3000;
const PIECES_PER_SYNC = 50;

/** Writes a file in many pieces that stay apart. */
export function pieces(path: string, count: number, random: Prng): ReadonlyArray<Operation> {
  const tag = random.below(9000) * 1000;
  const operations: Array<Operation> = [{ kind: "create", path }];
  for (let index = 0; index < count; index++) {
    const lengthBytes = random.pick([40, 700, 2500]);
    const pattern = { tag: tag + index, lengthBytes, texture: random.pick(["text", "noise"] as const) };
    operations.push({ kind: "write", target: path, offsetBytes: index * STRIDE_BYTES + random.below(400), pattern });
    if (index % PIECES_PER_SYNC === PIECES_PER_SYNC - 1) operations.push({ kind: "fsync", target: path });
  }
  return operations;
}

/** Something that concerns most of the file at once. */
export function sweep(path: string, count: number, random: Prng): Operation {
  const end = count * STRIDE_BYTES;
  const offsetBytes = random.below(end / 4);
  const lengthBytes = end - random.below(end / 2);
  switch (random.below(7)) {
    case 0:
      return { kind: "truncate", target: path, sizeBytes: random.pick([0, offsetBytes]) };
    case 1:
      return { kind: "unlink", path };
    case 2:
      return { kind: "rename", from: path, to: random.pick(FILES), mode: "replace" };
    case 3: {
      const pattern = { tag: random.below(9_000_000), lengthBytes: 250_000, texture: "noise" as const };
      return { kind: "write", target: path, offsetBytes, pattern };
    }
    default: {
      const mode = random.pick(["punch", "zero", "allocate"] as const);
      return { kind: "fallocate", target: path, mode, offsetBytes, lengthBytes, keepSize: random.chance(0.5) };
    }
  }
}

/** Makes such a file, sweeps over it, looks at it, and so on. */
function sweeper(path: string, rounds: number): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const { random, filesystem, note } = client;
      const by = performer(filesystem, note);
      for (let round = 0; round < rounds; round++) {
        const count = random.between(70, 200);
        for (const operation of pieces(path, count, random)) yield* perform(operation, by);
        for (let turn = 0; turn < 3; turn++) {
          yield* perform(sweep(path, count, random), by);
          if (random.chance(0.5)) yield* perform({ kind: "fsync", target: path }, by);
          if (random.chance(0.3)) yield* perform({ kind: "sleep", milliseconds: random.between(1, 800) }, by);
        }
      }
    });
}

/** Reads what the others work on, all the time. */
function onlooker(looks: number): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const { random, filesystem, note } = client;
      const by = performer(filesystem, note);
      for (let look = 0; look < looks; look++) {
        const target = random.pick(FILES);
        const offsetBytes = random.below(200) * STRIDE_BYTES;
        const operation: Operation = random.chance(0.8)
          ? { kind: "read", target, offsetBytes, lengthBytes: random.pick([100, 20_000, 200_000]) }
          : { kind: "seek", target, offsetBytes, what: random.pick(["data", "hole"]) };
        yield* perform(operation, by);
        yield* perform({ kind: "sleep", milliseconds: random.between(1, 50) }, by);
      }
    });
}

const manyExtents: Story = {
  name: "many-extents",
  summary: "files of hundreds of extents are cut, punched, overwritten and removed, in more than one transaction",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("clients");
    const clients: Array<Program> = [sweeper(FILES[0]!, random.between(1, 2))];
    if (random.chance(0.5)) clients.push(onlooker(30));
    if (random.chance(0.3)) clients.push(sweeper(FILES[1]!, 1));
    return { ...pool(entropy, medium), tolerance: STRICT, clients, crash: { ...CRASHES, statesMax: 20 } };
  },
};

const STUBBORN_BYTES = 130_000;

/** Extents that look as if they would shrink, in files that are written on and on, and then some that do shrink. */
function stubborn(path: string): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const { random, filesystem, note } = client;
      const by = performer(filesystem, note);
      yield* perform({ kind: "create", path }, by);
      const extents = random.between(4, 9);
      for (let extent = 0; extent < extents; extent++) {
        const texture = random.chance(0.85) ? ("stubborn" as const) : ("text" as const);
        const pattern = { tag: random.below(9_000_000), lengthBytes: STUBBORN_BYTES, texture };
        const offsetBytes = random.chance(0.8) ? extent * STUBBORN_BYTES : random.below(STUBBORN_BYTES);
        yield* perform({ kind: "write", target: path, offsetBytes, pattern }, by);
        if (random.chance(0.6)) yield* perform({ kind: "fsync", target: path }, by);
        yield* perform({ kind: "read", target: path, offsetBytes: random.below(400_000), lengthBytes: 90_000 }, by);
      }
      yield* perform({ kind: "fsync", target: path }, by);
    });
}

const stubbornData: Story = {
  name: "stubborn-data",
  summary: "files whose data looks as if it would shrink and does not; compression leaves them alone after a while",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const plan = pool(entropy, medium);
    return {
      ...plan,
      format: { ...plan.format, compression: "zstd" },
      tolerance: STRICT,
      clients: FILES.map(stubborn),
      crash: { ...CRASHES, statesMax: 6 },
    };
  },
};

export const extentStories: ReadonlyArray<Story> = [manyExtents, stubbornData];
