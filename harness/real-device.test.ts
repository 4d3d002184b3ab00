/**
 * The same clients on a real device as in the simulation: the engine with the oracle beside it, on a file and on a loop
 * device, under the production's scheduler and the machine's clock.
 *
 * The operations are those that a seed's clients drew in a simulated run. Carried out by one client they must leave the
 * same tree on both; by several at the same time, whatever the oracle allows. Pauses are cut short, and times are not
 * compared: what they say of the same operation differs.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Scheduler from "effect/Scheduler";
import type { Scope } from "effect/Scope";
import { afterAll, describe, expect, it } from "vitest";
import type { Device } from "../devices/device.ts";
import { createFile, type DeviceRefused, openFileDevice } from "../devices/file.ts";
import { formatPool, type OpenOptions, openPool } from "../engine/pool/pool.ts";
import { ProductionScheduler } from "../fuse/scheduler.ts";
import { scenarioNamed } from "../scenarios/index.ts";
import { Entropy } from "./entropy.ts";
import { collectTree, type FoundNode, type FoundTree } from "./oracle/found-tree.ts";
import { Oracle } from "./oracle/oracle.ts";
import { verifyPool } from "./pool-recovery.ts";
import { runSeed } from "./run.ts";
import type { Program, Scenario, ScenarioPlan } from "./scenario.ts";
import type { Operation } from "./workload/operation.ts";
import { scriptedProgram } from "./workload/program.ts";

const CAPACITY_BYTES = 16 * 1024 * 1024;
const PAUSE_MS_MAX = 10;
/** Short, so that commits and writeback come between the operations and not behind them all. */
const OPEN: OpenOptions = { commitIntervalMs: 5, writebackIntervalMs: 10, dirtyBytesMax: 256 * 1024 };
const SCENARIOS = ["rename-replace", "hard-links", "sparse", "xattrs", "open-unlinked", "attributes", "everything"];
const CONCURRENT = ["concurrent-mixed", "concurrent-names"];
const SEEDS = [1, 2, 3];

const folder = mkdtempSync(join(tmpdir(), "varve-real-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let made = 0;
const image: Effect.Effect<string, DeviceRefused> = Effect.suspend(() => {
  const path = join(folder, `image-${made++}`);
  return Effect.as(createFile(path, CAPACITY_BYTES), path);
});
const file = Effect.flatMap(image, (path) => openFileDevice(path));

/** A loop device over a new file; it is detached with the scope. */
const loopDevice = Effect.acquireRelease(
  Effect.map(image, (path) => execFileSync("losetup", ["--find", "--show", path], { encoding: "utf8" }).trim()),
  (path) => Effect.sync(() => execFileSync("losetup", ["--detach", path])),
).pipe(Effect.flatMap((path) => openFileDevice(path)));

function loopObstacle(): string | undefined {
  try {
    execFileSync("losetup", ["--find"], { stdio: "pipe" });
    return process.getuid?.() === 0 ? undefined : "needs root";
  } catch {
    return "there is no loop device";
  }
}

const context = Context.make(Scheduler.Scheduler, new ProductionScheduler());
const really = <A, E>(effect: Effect.Effect<A, E, Scope>): Promise<A> =>
  Effect.runPromiseWith(context)(Effect.scoped(effect));

/** The scenario of this name without crashes, and with these changes. */
function quietly(name: string, changes: Partial<ScenarioPlan> = {}): Scenario {
  const { plan, ...scenario } = scenarioNamed(name)!;
  const crash = { statesMax: 0, pointShare: 0, recoveryShare: 0 };
  return { ...scenario, plan: (entropy) => ({ ...plan(entropy), crash, ...changes }) };
}

/** What the clients of a seed do, one list for each, in the order in which all of it was begun. */
function operationsOf(name: string, seed: number): ReadonlyArray<readonly [client: number, operation: Operation]> {
  const steps: Array<readonly [number, Operation]> = [];
  const { failure } = runSeed(quietly(name), seed, {
    note: (client, operation) =>
      steps.push([
        client,
        operation.kind === "sleep"
          ? { kind: "sleep", milliseconds: Math.min(operation.milliseconds, PAUSE_MS_MAX) }
          : operation,
      ]),
  });
  expect(failure).toBeUndefined();
  expect(steps.length).toBeGreaterThan(40);
  return steps;
}

/** The tree that a pool on a simulated disk has when the program is through and it was closed and opened again. */
function simulated(name: string, seed: number, program: Program): FoundTree {
  let tree: FoundTree | undefined;
  const epilogue: ScenarioPlan["epilogue"] = ({ open }) =>
    Effect.scoped(
      Effect.gen(function* () {
        const pool = yield* open();
        tree = yield* collectTree(pool.filesystem);
      }),
    );
  const { failure } = runSeed(quietly(name, { clients: [program], epilogue }), seed);
  expect(failure).toBeUndefined();
  return tree!;
}

/** The same on a real device; every answer is compared with the model, and so is all that is there in the end. */
function onDevice(device: Device, programs: ReadonlyArray<Program>): Effect.Effect<FoundTree, unknown> {
  return Effect.gen(function* () {
    const oracle = new Oracle();
    yield* formatPool([device], { uuid: new Uint8Array(16).fill(7) });
    const use = Effect.gen(function* () {
      const pool = yield* openPool([device], OPEN);
      const clients = programs.map((program, index) => {
        const name = `client ${index}`;
        const random = new Entropy(name).stream(name);
        return program({ name, filesystem: oracle.client(name, pool), random, model: oracle.model, pool });
      });
      yield* Effect.all(clients, { concurrency: "unbounded", discard: true });
      yield* pool.close;
      oracle.closed();
    });
    yield* Effect.scoped(use);
    expect(oracle.violation).toBeUndefined();
    const look = Effect.flatMap(openPool([device], OPEN), (pool) => verifyPool(pool, oracle, oracle.mark()));
    const { problems, tree } = yield* Effect.scoped(look);
    expect(problems).toEqual([]);
    return tree;
  });
}

/** All that is to be seen of a tree by path, times and places on the device excepted. */
function seenIn({ nodes, problems }: FoundTree): ReadonlyMap<string, object> {
  expect(problems).toEqual([]);
  const seen = new Map<string, object>();
  const first = new Map<number, string>();
  const walk = (node: FoundNode, path: string): void => {
    const { mode, uid, gid, links, sizeBytes, rdev } = node.attributes;
    if (!first.has(node.number)) first.set(node.number, path);
    const same = first.get(node.number);
    const { target, xattrs, pages } = node;
    const held = [...pages].filter(([, bytes]) => bytes.some((byte) => byte !== 0)).sort(([a], [b]) => a - b);
    const content = held.map(([page, bytes]) => [page, Buffer.from(bytes).toString("latin1").replace(/\0+$/u, "")]);
    seen.set(path, { mode, uid, gid, links, sizeBytes, rdev, same, target, xattrs, content });
    for (const [name, number] of [...(node.entries ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
      walk(nodes.get(number)!, `${path}/${name}`);
    }
  };
  walk(
    [...nodes.values()].find(({ path }) => path === "/")!,
    "",
  );
  return seen;
}

/** Runs what a seed's clients did as one client, here and there; returns the tree of both. */
async function sameTree(
  name: string,
  seed: number,
  device: Effect.Effect<Device, DeviceRefused, Scope>,
): Promise<ReadonlyMap<string, object>> {
  const operations = operationsOf(name, seed).map(([, operation]) => operation);
  const program = scriptedProgram(operations);
  const real = seenIn(await really(Effect.flatMap(device, (opened) => onDevice(opened, [program]))));
  expect(real).toEqual(seenIn(simulated(name, seed, program)));
  return real;
}

describe("a pool on a real file", () => {
  it.each(SCENARIOS)("has the tree that the simulation has: %s", async (name) => {
    const sizes = [];
    for (const seed of SEEDS) sizes.push((await sameTree(name, seed, file)).size);
    expect(Math.max(...sizes)).toBeGreaterThan(1);
  });

  it("is told from one with other names or other bytes", () => {
    const operations = operationsOf("create-write-fsync", 2).map(([, operation]) => operation);
    const whole = seenIn(simulated("create-write-fsync", 2, scriptedProgram(operations)));
    const renamed: Operation = { kind: "create", path: "/a new name" };
    for (const changed of [[...operations, renamed], operations.filter(({ kind }) => kind !== "write")]) {
      expect(seenIn(simulated("create-write-fsync", 2, scriptedProgram(changed)))).not.toEqual(whole);
    }
  });

  it.each(CONCURRENT)("gives several clients at the same time the answers that the oracle allows: %s", async (name) => {
    const counts = [];
    for (const seed of SEEDS) {
      const steps = operationsOf(name, seed);
      const clients = Math.max(...steps.map(([client]) => client)) + 1;
      const programs = Array.from({ length: clients }, (_, index) =>
        scriptedProgram(steps.filter(([client]) => client === index).map(([, operation]) => operation)),
      );
      await really(Effect.flatMap(file, (device) => onDevice(device, programs)));
      counts.push(clients);
    }
    expect(Math.max(...counts)).toBeGreaterThan(1);
  });
});

describe("a pool on a loop device", () => {
  it("has the tree that the simulation has", async ({ skip }) => {
    const obstacle = loopObstacle();
    if (obstacle !== undefined) return skip(obstacle);
    for (const seed of SEEDS) await sameTree("everything", seed, loopDevice);
  });
});
