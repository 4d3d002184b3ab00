/**
 * The entry point of a worker thread of the exploration: receives sequences, answers results.
 */
import "../noasync.ts";
import { parentPort, workerData } from "node:worker_threads";
import type { SequenceJob, SequenceSetup } from "./explore.ts";

const setup = workerData as SequenceSetup;
const loaded = import("./explore.ts");

parentPort!.on("message", (job: SequenceJob) => {
  void loaded.then(({ runJob }) => parentPort!.postMessage(runJob(setup, job)));
});
