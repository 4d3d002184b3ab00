/**
 * The entry point of a campaign's worker thread: receives jobs, answers results.
 */
import "./noasync.ts";
import { parentPort, workerData } from "node:worker_threads";
import type { Job, WorkerSetup } from "./campaign.ts";
import type { AnyScenario } from "./store/device-scenario.ts";

const { registryUrl } = workerData as WorkerSetup;
const loaded = Promise.all([
  import(registryUrl) as Promise<{ readonly scenarios: ReadonlyArray<AnyScenario> }>,
  import("./campaign.ts"),
]);

parentPort!.on("message", (job: Job) => {
  void loaded.then(([{ scenarios }, { runJob }]) => parentPort!.postMessage(runJob(scenarios, job)));
});
