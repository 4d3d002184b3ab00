/**
 * The thread of `awake-processor.ts`: busy until a time that it is told, asleep until it is told another.
 *
 * It must never run with any other than the lowest priority, which it takes for itself alone; where it cannot, it ends.
 */
import { constants, setPriority } from "node:os";
import { workerData } from "node:worker_threads";
import { AwakeUntil } from "./awake-processor.ts";

setPriority(0, constants.priority.PRIORITY_LOW);
const until = new AwakeUntil(workerData as SharedArrayBuffer);
for (;;) until.pass();
