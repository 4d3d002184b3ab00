/**
 * The entry point of the thread that uses a mounted filesystem, while another one serves the disk below it.
 *
 * Takes one `Request` at a time and answers it; `client-link.ts` is the other end.
 */
import { parentPort, workerData } from "node:worker_threads";
import type { ClientSetup, Request } from "./client-link.ts";
import { carryOut } from "./system-calls.ts";
import { walk } from "./walk.ts";

const { recordLength } = workerData as ClientSetup;

parentPort!.on("message", (request: Request) => {
  const { root } = request;
  const answer =
    request.kind === "walk" ? walk(root) : carryOut(root, request.operations, () => Atomics.load(recordLength, 0));
  parentPort!.postMessage(answer);
});
