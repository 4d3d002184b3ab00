/**
 * Runs a seed again, as it was run before, and records what a report shows of it.
 *
 * The recorded run is the run: same draws, same schedule, same hash. Nothing of this is loaded or done when no report
 * is wanted.
 */
import { BucketLayout, defaultBucketBytes } from "../../engine/device/bucket-io.ts";
import { SimDisk } from "../../devices/sim/disk.ts";
import type { Model } from "../oracle/model.ts";
import { runSeed, type SeedResult } from "../run.ts";
import type { DiskPlan, Program, ScenarioPlan } from "../scenario.ts";
import { type AnyScenario, isOnDevice, withPlan } from "../store/device-scenario.ts";
import { failureView } from "./failure-view.ts";
import type { BucketShape, SeedRecord } from "./report-data.ts";
import { SeedRecorder } from "./seed-recorder.ts";
import { EVENTS_SHOWN_MAX } from "./timeline.ts";

export interface Recorded {
  readonly result: SeedResult;
  readonly record: SeedRecord;
}

export function recordSeed(scenario: AnyScenario, seed: number, eventsShownMax = EVENTS_SHOWN_MAX): Recorded {
  const recorder = new SeedRecorder();
  let plan: DiskPlan | undefined;
  let model: Model | undefined;
  const planned = <Plan extends DiskPlan>(own: Plan): Plan => {
    plan = own;
    recorder.planned(own);
    return own;
  };
  const watched: AnyScenario = isOnDevice(scenario)
    ? withPlan(
        scenario,
        scenario.name,
        (entropy) => planned(scenario.plan(entropy)),
        (store, operation) => {
          recorder.clientsBegan();
          return scenario.perform(store, operation);
        },
      )
    : {
        ...scenario,
        plan: (entropy) => {
          const own = planned(scenario.plan(entropy));
          const clients = own.clients.map((program): Program => (client) => {
            model = client.model;
            recorder.began(model.history);
            return program(client);
          });
          return { ...own, clients };
        },
      };
  const quiet = recorder.listen();
  let result: SeedResult;
  try {
    result = runSeed(watched, seed, { trace: recorder, onCrashState: () => recorder.crashed() });
  } finally {
    quiet();
  }
  const { failure } = result;
  recorder.end();
  if (failure !== undefined) recorder.failed(failure.message, failure.crash);
  const { timeline } = recorder;
  const position = failure?.crash === undefined ? undefined : recorder.positionOf(failure.crash);
  const interest = failure === undefined ? undefined : (position ?? timeline.position);
  const record: SeedRecord = {
    scenario: scenario.name,
    summary: scenario.summary,
    seed,
    hash: result.hash,
    crashStates: result.crashStates,
    simulatedMs: result.simulatedMs,
    traceEvents: result.events,
    ...timeline.shown(interest, eventsShownMax),
    positions: timeline.position,
    buckets: bucketsOf(plan),
    changesCut: timeline.changesCut,
    ...(failure === undefined ? {} : { failure: failureView(failure, position, model) }),
  };
  return { result, record };
}

/** Slices of a disk that nobody has cut into buckets. */
const SLICES = 256;

/** How the pool cuts the disk of the plan; the zones, or just slices, where there is no pool. */
function bucketsOf(plan: DiskPlan | undefined): BucketShape {
  if (plan === undefined) return { zoned: false, bucketBytes: 1, usableBytes: 1, count: 0, capacityBytes: 0 };
  const { geometry } = plan;
  const { capacityBytes, blockBytes, zones } = geometry;
  const shape = { zoned: zones !== undefined, capacityBytes };
  if ("tolerance" in plan) {
    const wanted = (plan as ScenarioPlan).format?.bucketBytes ?? defaultBucketBytes(capacityBytes);
    const { bucketBytes, usableBytes, count } = new BucketLayout(SimDisk.make({ name: "disk", geometry }), wanted);
    return { ...shape, bucketBytes, usableBytes, count };
  }
  if (zones !== undefined) {
    return { ...shape, bucketBytes: zones.zoneBytes, usableBytes: zones.zoneCapacityBytes, count: zones.zoneCount };
  }
  const bucketBytes = Math.ceil(capacityBytes / SLICES / blockBytes) * blockBytes;
  return { ...shape, bucketBytes, usableBytes: bucketBytes, count: Math.ceil(capacityBytes / bucketBytes) };
}
