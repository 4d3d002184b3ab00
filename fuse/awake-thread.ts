/** The thread of `awake-processor.ts`. It must not run with any other than the lowest priority, which is its own alone. */
import { constants, setPriority } from "node:os";
import { workerData } from "node:worker_threads";
import { AwakeUntil } from "./awake-processor.ts";

setPriority(0, constants.priority.PRIORITY_LOW);
const until = new AwakeUntil(workerData as SharedArrayBuffer);
for (;;) until.pass();
