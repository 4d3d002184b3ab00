/**
 * All benchmarks by name, in the order in which they run.
 */
import { compression } from "./compression.ts";
import { crashStates } from "./crash-states.ts";
import { fill } from "./fill.ts";
import { metadata } from "./metadata.ts";
import { million } from "./million.ts";
import { paced } from "./paced.ts";
import { stream } from "./stream.ts";
import { wear } from "./wear.ts";
import { workers } from "./workers.ts";
import type { Workload } from "./workload.ts";

export const workloads: ReadonlyArray<Workload> = [
  metadata,
  stream,
  workers,
  fill,
  wear,
  crashStates,
  paced,
  million,
  compression,
];
