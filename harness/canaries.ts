/**
 * Scenarios by which the harness is tested: quick ones that pass, and canaries that must always fail.
 *
 * They are no part of a campaign. A canary that passes means that the harness no longer sees what it is there to see.
 */
import * as Effect from "effect/Effect";
import { FaultPlan } from "../devices/sim/faults.ts";
import { STRICT } from "./oracle/oracle.ts";
import type { Program, Scenario, ScenarioPlan } from "./scenario.ts";
import { profile } from "./workload/profile.ts";
import { randomProgram, scriptedProgram } from "./workload/program.ts";

const MEBIBYTE = 1024 * 1024;

/** A pool on a small disk, used by these clients. */
export function tiny(name: string, clients: ReadonlyArray<Program>, changes: Partial<ScenarioPlan> = {}): Scenario {
  return {
    name,
    summary: "a small scenario for tests",
    plan: () => ({
      geometry: {
        capacityBytes: 8 * MEBIBYTE,
        blockBytes: 4096,
        atomicWriteBytes: 4096,
        rotational: false,
        zones: undefined,
      },
      tolerance: STRICT,
      clients,
      crash: { statesMax: 4, pointShare: 1, recoveryShare: 0.5, livesShare: 0 },
      ...changes,
    }),
  };
}

const LIVELY = profile({ weights: { create: 8, write: 12, fsync: 6, unlink: 2, rename: 3, mkdir: 2, sleep: 2 } });

/** Two clients who do a little of this and that. */
export const lively = tiny("lively", [randomProgram(LIVELY, 12), randomProgram(LIVELY, 12)]);

/** One file, written and synced a few times. */
export const quick = tiny("quick", [
  scriptedProgram([
    { kind: "create", path: "/a" },
    { kind: "write", target: "/a", offsetBytes: 0, pattern: { tag: 1, lengthBytes: 9000, texture: "noise" } },
    { kind: "fsync", target: "/a" },
    { kind: "rename", from: "/a", to: "/b", mode: "replace" },
    { kind: "syncfs" },
  ]),
]);

/** A disk that acknowledges writes and loses them: no engine can stand that, so this must always fail. */
export const losesWrites: Scenario = {
  name: "loses-writes",
  summary: "a canary: the disk loses every write",
  plan: (entropy) => ({
    ...quick.plan(entropy),
    disk: { faults: new FaultPlan(entropy.number("faults"), [{ kind: "lost-write", probability: 1 }]) },
  }),
};

/** A client who calls an operation and never gets an answer. */
export const hangs = tiny("hangs", [
  ({ filesystem }) => Effect.andThen(filesystem.getattr(1), Effect.never),
  scriptedProgram([{ kind: "syncfs" }]),
]);

/** As a worker loads them. */
export const scenarios: ReadonlyArray<Scenario> = [quick, lively, losesWrites, hangs];
