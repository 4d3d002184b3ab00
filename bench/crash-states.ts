/**
 * Crash states recovered, walked, judged and checked, a second of one processor.
 *
 * Runs seeds of one scenario in this process: 64-operation runs on 16 MiB disks. The time is that of the whole seed, so
 * it includes formatting, the clients' run and the final verification. It is told twice: by the clock for the one
 * thread that does it, and as processor time of the process, which adds the runtime's compiler and collector threads.
 */
import { runSeed } from "../harness/run.ts";
import { scenarios } from "../scenarios/index.ts";
import { now, rate, type Workload } from "./workload.ts";

const SCENARIO = "concurrent-mixed";
const SEEDS = 120;
const WARM_UP_SEEDS = 20;

export const crashStates: Workload = {
  name: "crash-states",
  summary: "crash states verified a second and core",
  run: ({ scale, progress }) => {
    const scenario = scenarios.find(({ name }) => name === SCENARIO)!;
    const seeds = Math.max(5, Math.floor(SEEDS * scale));
    for (let seed = 1; seed <= WARM_UP_SEEDS; seed++) runSeed(scenario, seed);
    const start = now();
    const before = process.cpuUsage();
    let states = 0;
    let equal = 0;
    let failures = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const result = runSeed(scenario, seed);
      states += result.crashStates;
      equal += result.equalStates;
      if (result.failure !== undefined) failures++;
    }
    const { user, system } = process.cpuUsage(before);
    const seconds = now() - start;
    const value = rate(states, seconds);
    progress(`crash-states: ${value} a second and thread`);
    return Promise.resolve([
      { name: "crash states verified", value: states, unit: "" },
      { name: "of which by equality", value: equal, unit: "" },
      { name: "rate", value, unit: "states/s and thread" },
      { name: "rate by processor time", value: rate(states, (user + system) / 1e6), unit: "states/s and core" },
      { name: "failing seeds", value: failures, unit: "" },
    ]);
  },
};
