/**
 * The laboratory: `varve/harness`.
 *
 * A `Scenario` describes a simulated disk, clients and crashes; `runSeed` runs one seed of it and `runCampaign` many.
 * A `DeviceScenario` does so for a store of your own on a bare device. A `World` runs any Effect on seeded scheduling and virtual time. `crashTest` makes a scenario a test of any suite.
 *
 * Import it before anything that loads Effect, so that a seed takes the same course here as on the command line.
 */
import { restoreBuiltinModule } from "./noasync.ts";
export { type CampaignFailure, type CampaignOptions, type CampaignResult, runCampaign } from "./campaign.ts";
export { crashTest, type CrashTestOptions } from "./crash-test.ts";
export { Entropy, Prng } from "./entropy.ts";
export { Oracle, STRICT } from "./oracle/oracle.ts";
export { runSeed, type RunOptions, type SeedFailure, type SeedResult } from "./run.ts";
export type { Client, CrashPlan, Epilogue, Program, Scenario, ScenarioPlan } from "./scenario.ts";
export { type Script, scripted } from "./shrink/script.ts";
export type { AnyScenario, DevicePlan, DeviceScenario } from "./store/device-scenario.ts";
export { shortened, type ShortenedRun } from "./store/shortened.ts";
export { History, type Outcome, type Performed } from "./store/ledger.ts";
export { firstDivergence, Trace } from "./trace.ts";
export { Deadlock, World, type WorldOptions } from "./world.ts";
export { reached } from "../engine/marks.ts";
export { type Operation, perform, performer } from "./workload/operation.ts";
export { GENERAL, profile, type Profile, swarm } from "./workload/profile.ts";
export { inSequence, randomProgram, scriptedProgram } from "./workload/program.ts";

restoreBuiltinModule();
