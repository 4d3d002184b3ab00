/**
 * The laboratory: `varve/harness`.
 *
 * A `Scenario` describes a simulated disk, clients and crashes; `runSeed` runs one seed of it and `runCampaign` many.
 * A `World` runs any Effect on seeded scheduling and virtual time.
 */
export { type CampaignFailure, type CampaignOptions, type CampaignResult, runCampaign } from "./campaign.ts";
export { Entropy, Prng } from "./entropy.ts";
export { Oracle, STRICT } from "./oracle/oracle.ts";
export { runSeed, type RunOptions, type SeedFailure, type SeedResult } from "./run.ts";
export type { Client, CrashPlan, Epilogue, Program, Scenario, ScenarioPlan } from "./scenario.ts";
export { firstDivergence, Trace } from "./trace.ts";
export { Deadlock, World, type WorldOptions } from "./world.ts";
