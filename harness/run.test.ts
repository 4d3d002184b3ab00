import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { ROOT_INODE } from "../engine/fs/types.ts";
import { runSeed } from "./run.ts";
import type { Program } from "./scenario.ts";
import { hangs, lively, losesWrites, quick, tiny } from "./canaries.ts";
import { firstDivergence, Trace } from "./trace.ts";

const NAME = new TextEncoder().encode("f");
const OWNER = { uid: 0, gid: 0 };

/** Writes these bytes into a file and syncs it. */
const writes =
  (bytes: () => Uint8Array): Program =>
  ({ filesystem }) =>
    Effect.gen(function* () {
      const { inode } = yield* filesystem.mknod(ROOT_INODE, NAME, 0o100644, 0, OWNER);
      yield* filesystem.write(inode, 0, bytes());
      yield* filesystem.fsync(inode);
    });

describe("a seed", () => {
  it("gives the same hash and result each time, recorded or not", () => {
    for (let seed = 1; seed <= 5; seed++) {
      const first = runSeed(lively, seed);
      expect(first.failure).toBeUndefined();
      expect(runSeed(lively, seed)).toEqual(first);
      const trace = new Trace(true);
      expect(runSeed(lively, seed, { trace })).toEqual(first);
      expect(trace.recorded!.length).toBe(trace.events);
    }
  });

  it("differs from other seeds and from the same seed of another scenario", () => {
    const hashes = Array.from({ length: 20 }, (_, seed) => runSeed(quick, seed).hash);
    const others = Array.from({ length: 20 }, (_, seed) => runSeed({ ...quick, name: "other" }, seed).hash);
    expect(new Set([...hashes, ...others]).size).toBe(40);
  });

  it("takes crash states within its budget, and says how many were judged", () => {
    const { crashStates, marks } = runSeed(quick, 1);
    expect(crashStates).toBeGreaterThanOrEqual(4);
    expect(crashStates).toBeLessThanOrEqual(8);
    expect(runSeed(lively, 1).simulatedMs).toBeGreaterThan(0);
    expect(Object.keys(marks).length).toBeGreaterThan(0);
    expect(runSeed(tiny("none", [], { crash: { statesMax: 0, pointShare: 1, recoveryShare: 0 } }), 1).crashStates).toBe(
      0,
    );
  });

  it("takes crash states at the return of a sync besides, if it is told to, and one of them again by its name", () => {
    const crash = { statesMax: 0, pointShare: 1, recoveryShare: 0, livesShare: 0 };
    const twice: Program = (client) => Effect.andThen(writes(() => Uint8Array.of(1))(client), client.filesystem.syncfs);
    const at = (more: object): number =>
      runSeed(tiny("syncs", [twice], { crash: { ...crash, ...more } }), 1).crashStates;
    // An fsync and a syncfs: with nothing volatile, the two states of each are one.
    expect(at({ syncStatesMax: 9 })).toBe(2);
    expect(at({ syncStatesMax: 1 })).toBe(1);
    expect(at({})).toBe(0);
    const only = { phase: "return", operation: "flush", survives: { kind: "none" } } as const;
    expect(at({ only: [{ ...only, index: 1 }] })).toBe(1);
    expect(at({ only: [{ ...only, index: 2 }] })).toBe(0);
  });

  it("has every operation, its outcome and every device operation in its trace", () => {
    const trace = new Trace(true);
    runSeed(quick, 1, { trace });
    expect(trace.recorded).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^client 0 mknod\(1, a, /u),
        expect.stringMatching(/^client 0 \{"inode":/u),
        "client 0 syncfs",
        "client 0 done",
        expect.stringMatching(/^issue write \d+ \d+ \d+$/u),
        expect.stringMatching(/^complete flush /u),
        expect.stringMatching(/^recovery of \d+ events: [0-9a-f]{16}$/u),
        expect.stringMatching(/^media /u),
      ]),
    );
  });

  it("notices when only the bytes that are stored differ between two runs", () => {
    let run = 0;
    // What no scenario may do: something from outside of the seed.
    const scenario = tiny("leaky", [writes(() => new Uint8Array(20_000).map((_, at) => (at * (at + 7) + run) & 0xff))]);
    const hashes = [1, 2].map((which) => {
      run = which;
      const trace = new Trace(true);
      return { hash: runSeed(scenario, 1, { trace }).hash, events: trace.recorded! };
    });
    expect(hashes[0]!.hash).not.toBe(hashes[1]!.hash);
    expect(firstDivergence(hashes[0]!.events, hashes[1]!.events)).toMatch(/^event \d+: "/u);
  });
});

describe("a failing seed", () => {
  it("is what a disk that loses writes leads to, on every seed", () => {
    for (let seed = 1; seed <= 5; seed++) expect(runSeed(losesWrites, seed).failure).toBeDefined();
  });

  it("names the client that waits for ever, though the engine's timers go on ticking", () => {
    const { failure } = runSeed(hangs, 1);
    expect(failure).toMatchObject({ where: "run" });
    expect(failure!.message).toMatch(/waiting: .*client 0/u);
  });

  it("is also one in which a task outside of any fiber throws", () => {
    const throws: Program = () =>
      Effect.andThen(
        Effect.withFiber((fiber) => {
          fiber.currentDispatcher.scheduleTask(() => {
            throw new Error("a broken actor");
          }, 0);
          return Effect.void;
        }),
        Effect.sleep(1),
      );
    const { failure } = runSeed(tiny("throws", [throws]), 1);
    expect(failure).toMatchObject({ where: "run" });
    expect(failure!.message).toContain("a broken actor");
  });

  it("is one in which anything asks for ambient time or randomness, by name", () => {
    const random: Program = () => Effect.sync(() => Math.random());
    expect(runSeed(tiny("ambient", [random]), 1).failure!.message).toContain("Math.random");
    expect(() => Math.random()).not.toThrow();
  });

  it("says where it failed, and has a hash that does not depend on stacks", () => {
    const [here, there] = [() => new Error("told"), () => (() => new Error("told"))()];
    const results = [here, there].map((make) =>
      runSeed(tiny("dies", [() => Effect.sync(make).pipe(Effect.flatMap((error) => Effect.die(error)))]), 1),
    );
    expect(results[0]!.failure).toMatchObject({ where: "run" });
    expect(results[0]!.failure!.message).not.toBe(results[1]!.failure!.message);
    expect(results[0]!.hash).toBe(results[1]!.hash);
    const epilogue = tiny("epilogue", [], { epilogue: ({ fail }) => fail("not as it should be") });
    expect(runSeed(epilogue, 1).failure).toEqual({ where: "end", message: "not as it should be" });
  });
});
