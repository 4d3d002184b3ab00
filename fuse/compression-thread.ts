/**
 * A thread of `compression-pool.ts`: compresses what is left in the memory that it is given, and sleeps in between.
 *
 * It never ends by itself.
 */
import { workerData } from "node:worker_threads";
import type { CompressionThreadSetup } from "./compression-pool.ts";
import { CompressionSlots } from "./compression-slots.ts";

const { count, memory } = workerData as CompressionThreadSetup;
new CompressionSlots(count, memory).workForEver();
