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
import type { Scenario, ScenarioPlan } from "../scenario.ts";
import { failureView } from "./failure-view.ts";
import type { BucketShape, SeedRecord } from "./report-data.ts";
import { SeedRecorder } from "./seed-recorder.ts";
import { EVENTS_SHOWN_MAX } from "./timeline.ts";

export interface Recorded {
  readonly result: SeedResult;
  readonly record: SeedRecord;
}

export function recordSeed(scenario: Scenario, seed: number, eventsShownMax = EVENTS_SHOWN_MAX): Recorded {
  const recorder = new SeedRecorder();
  let plan: ScenarioPlan | undefined;
  let model: Model | undefined;
  const watched: Scenario = {
    ...scenario,
    plan: (entropy) => {
      const own = scenario.plan(entropy);
      plan = own;
      recorder.planned(own);
      return {
        ...own,
        clients: own.clients.map((program) => (client) => {
          model = client.model;
          recorder.began(model.history);
          return program(client);
        }),
      };
    },
  };
  const quiet = recorder.listen();
  let result: SeedResult;
  try {
    result = runSeed(watched, seed, { trace: recorder });
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

/** How the pool cuts the disk of the plan. */
function bucketsOf(plan: ScenarioPlan | undefined): BucketShape {
  if (plan === undefined) return { zoned: false, bucketBytes: 1, usableBytes: 1, count: 0, capacityBytes: 0 };
  const { geometry, format } = plan;
  const wanted = format?.bucketBytes ?? defaultBucketBytes(geometry.capacityBytes);
  const layout = new BucketLayout(SimDisk.make({ name: "disk", geometry }), wanted);
  const { bucketBytes, usableBytes, count } = layout;
  return {
    zoned: geometry.zones !== undefined,
    bucketBytes,
    usableBytes,
    count,
    capacityBytes: geometry.capacityBytes,
  };
}
