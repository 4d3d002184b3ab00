/**
 * Workloads: bytes tell where they came from, operations are data, and a stream of random numbers decides all of them.
 */
import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { Entropy } from "../entropy.ts";
import { Oracle } from "../oracle/oracle.ts";
import { ToyFilesystem } from "../oracle/toy-filesystem.ts";
import { type Operation, perform, performer } from "./operation.ts";
import { describeBytes, patternBytes } from "./pattern.ts";
import { GENERAL, swarm } from "./profile.ts";
import { randomProgram, scriptedProgram } from "./program.ts";

interface Noted {
  readonly operations: ReadonlyArray<Operation>;
  readonly oracle: Oracle;
}

function randomRun(seed: string, operations: number): Noted {
  const noted: Array<Operation> = [];
  const oracle = new Oracle();
  const filesystem = oracle.client("client 1", new ToyFilesystem());
  const random = new Entropy(seed).stream("workload");
  const pool = { usage: Effect.die("not used"), limitMemory: () => {}, check: () => Effect.die("not used") };
  // The toy keeps holes as bytes, and runs outside of virtual time.
  const profile = { ...GENERAL, farShare: 0, weights: { ...GENERAL.weights, sleep: 0 } };
  const program = randomProgram(profile, operations);
  const note = (operation: Operation): void => void noted.push(operation);
  Effect.runSync(program({ name: "client 1", filesystem, random, model: oracle.model, pool, note }));
  return { operations: noted, oracle };
}

describe("patterns", () => {
  it.each(["text", "noise"] as const)("tell of every byte of %s which write it came from", (texture) => {
    const bytes = patternBytes(42, 1000, texture);
    for (const at of [0, 1, 63, 64, 500, 990]) expect(describeBytes(bytes, at)).toBe(`write 42, its byte ${at}`);
  });

  it("tell zeros and strangers apart", () => {
    expect(describeBytes(new Uint8Array(100), 50)).toBe("zeros");
    expect(describeBytes(new Uint8Array(100).fill(3), 50)).toBe("unknown bytes");
    expect(describeBytes(new Uint8Array(10), 10)).toBe("nothing there");
  });
});

describe("operations", () => {
  it("are the same for the same seed, and others for another", () => {
    expect(randomRun("one", 200).operations).toEqual(randomRun("one", 200).operations);
    expect(randomRun("one", 200).operations).not.toEqual(randomRun("two", 200).operations);
  });

  it("survive JSON, and run again as a script with the same history", () => {
    const { operations, oracle } = randomRun("script", 200);
    const script = JSON.parse(JSON.stringify(operations)) as ReadonlyArray<Operation>;
    expect(script).toEqual(operations);
    const again = new Oracle();
    const filesystem = again.client("client 1", new ToyFilesystem());
    const random = new Entropy("").stream("");
    const pool = { usage: Effect.die("not used"), limitMemory: () => {}, check: () => Effect.die("not used") };
    Effect.runSync(scriptedProgram(script)({ name: "client 1", filesystem, random, model: again.model, pool }));
    expect(again.model.history.changes.map(({ label }) => label)).toEqual(
      oracle.model.history.changes.map(({ label }) => label),
    );
  });

  it("come in every kind, and mostly succeed", () => {
    const kinds = new Set<string>();
    let changes = 0;
    for (let seed = 0; seed < 20; seed++) {
      const { operations, oracle } = randomRun(`kinds ${seed}`, 100);
      for (const { kind } of operations) kinds.add(kind);
      changes += oracle.model.history.moment;
    }
    expect([...kinds].toSorted()).toEqual(
      Object.keys(GENERAL.weights)
        .filter((kind) => kind !== "sleep")
        .toSorted(),
    );
    expect(changes).toBeGreaterThan(2000 * 0.4);
  });

  it("use what is open by its handle after its name has gone", () => {
    const oracle = new Oracle();
    const by = performer(oracle.client("client 1", new ToyFilesystem()));
    const run = (operation: Operation): unknown => Effect.runSync(perform(operation, by));
    run({ kind: "create", path: "/x" });
    run({ kind: "open", path: "/x", handle: "1" });
    run({ kind: "unlink", path: "/x" });
    expect(run({ kind: "append", target: "@1", pattern: { tag: 1, lengthBytes: 9, texture: "text" } })).toEqual({
      value: 0,
    });
    expect(run({ kind: "release", handle: "1" })).toEqual({ value: undefined });
    expect(run({ kind: "getattr", target: "@1" })).toEqual({ reason: "NoEntry" });
  });

  it("leave some kinds out in a swarm, never those that start everything", () => {
    const random = new Entropy("swarm").stream("swarm");
    const chosen = Array.from({ length: 50 }, () => swarm(GENERAL, random).weights);
    expect(chosen.every(({ create, write, mkdir }) => (create ?? 0) * (write ?? 0) * (mkdir ?? 0) > 0)).toBe(true);
    expect(chosen.some(({ fsync }) => fsync === undefined)).toBe(true);
    expect(chosen.some(({ fsync }) => fsync !== undefined)).toBe(true);
  });
});
