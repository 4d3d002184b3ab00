/**
 * How a candidate is tried: the runs in which it may fail, the cheapest and likeliest first.
 *
 * The crash that shows the failure is mostly where it was. So a candidate is first crashed at that I/O, and there alone.
 * If only what a recovered pool was used for has changed, the crashes before that are repeated and those behind them
 * looked for, in many states of the one life. If the clients do something else, their I/O have other numbers: then it is
 * crashed as many I/O behind the same operation. At last crashes are taken everywhere, on one schedule after another.
 */
import { changedAt, type CrashPath, crashesOf, type IoPoint } from "../crash-point.ts";
import { runSeed, type SeedFailure } from "../run.ts";
import type { CrashPlan } from "../scenario.ts";
import type { Operation } from "../workload/operation.ts";
import { type Draft, firstDifference, scenarioOf } from "./draft.ts";

export interface Attempt {
  readonly draws: string;
  readonly crash: CrashPlan;
}

/** What is known to fail. */
export interface Known {
  readonly draft: Draft;
  readonly failure: SeedFailure;
}

/** Crash states of later lives when the crashes before them are given: of a short one nearly all that there are. */
const LIFE_STATES = 40;
/** The same when the crash before them is one of several. */
const LIFE_STATES_FEW = 10;
/** I/O on each side of the one at which the crash should be; fewer if pools live on after each. */
const NEAR = 6;
const NEAR_OF_LIVES = 2;
const SEED = 1;
const NO_CRASHES: CrashPlan = { statesMax: 0, pointShare: 0, recoveryShare: 0 };

/** So many states of each life that there are about as many of the last one, however many lives follow each other. */
const statesOfEach = (states: number, lives: number): number =>
  Math.max(2, Math.floor(states ** (1 / Math.max(1, lives))));

/** With which draws a candidate is tried: near where the crash was, and then everywhere. */
export interface Schedules {
  readonly near: ReadonlyArray<string>;
  readonly everywhere: ReadonlyArray<string>;
}

/** Tries the candidate until it fails. */
export function* attemptsFor(known: Known, candidate: Draft, schedules: Schedules): Generator<Attempt> {
  const { crash } = candidate.setting;
  const path = known.failure.crash;
  const { draws } = known.draft;
  if (path !== undefined) {
    const ended = crashesOf(path).filter((each) => "during" in each && each.during === "life").length;
    yield { draws, crash: { ...crash, only: [path] } };
    const life = firstDifference(known.draft, candidate);
    const before = life === 0 ? undefined : pathBefore(path, life);
    if (before !== undefined) {
      yield { draws, crash: { ...crash, only: [before], lifeStatesMax: statesOfEach(LIFE_STATES, ended - life + 1) } };
    }
    for (const draws of life === 0 ? schedules.near : []) {
      const only = moved(known.draft, path, { ...candidate, draws });
      if (only.length > 0) {
        yield { draws, crash: { ...crash, only, lifeStatesMax: statesOfEach(LIFE_STATES_FEW, ended) } };
      }
    }
  }
  // What survives by a plain rule does so at every I/O: one state at each is enough.
  const plain = path?.survives.kind === "none" || path?.survives.kind === "all" ? { survives: path.survives } : {};
  for (const draws of schedules.everywhere) yield { draws, crash: { ...crash, ...plain } };
}

/** The path up to the crash that ended a life, that one left out; undefined if it has none. */
function pathBefore(path: CrashPath, life: number): CrashPath | undefined {
  let ended = 0;
  for (const [depth, crash] of crashesOf(path).entries()) {
    if ("during" in crash && crash.during === "life" && ++ended === life)
      return changedAt(path, depth, () => undefined);
  }
  return undefined;
}

/** Operations that begin and I/O, in their order. */
type Course = ReadonlyArray<Operation | IoPoint>;

const isIo = (event: Operation | IoPoint): event is IoPoint => "phase" in event;
const isThis =
  ({ phase, operation, index }: IoPoint) =>
  (event: Operation | IoPoint): boolean =>
    isIo(event) && event.index === index && event.phase === phase && event.operation === operation;

function courseOf(draft: Draft): Course {
  const course: Array<Operation | IoPoint> = [];
  runSeed(scenarioOf(draft, NO_CRASHES), SEED, {
    note: (_client, operation) => course.push(operation),
    onIo: (io) => course.push(io),
  });
  return course;
}

/** Of drafts that were the best one. */
const courses = new WeakMap<Draft, Course>();

/** The first crash at about the same place of another course, and from there on whatever comes. */
function moved(from: Draft, path: CrashPath, to: Draft): ReadonlyArray<CrashPath> {
  let before = courses.get(from);
  if (before === undefined) courses.set(from, (before = courseOf(from)));
  const behind = before.slice(0, before.findIndex(isThis(path)));
  const kept = new Set(to.steps.map(({ operation }) => operation));
  const anchor = behind.findLast((event): event is Operation => !isIo(event) && kept.has(event));
  const since = (course: Course): Course => course.slice(anchor === undefined ? 0 : course.indexOf(anchor) + 1);
  const count = since(behind).filter(isIo).length;
  const points = since(courseOf(to)).filter(isIo);
  const { next, survives, state: _state } = path;
  // Without its numbers a later crash would be somewhere else.
  const later = next === undefined || next.during === "life" ? {} : { next };
  const near = to.closes.length > 0 ? NEAR_OF_LIVES : NEAR;
  return points.slice(Math.max(0, count - near), count + near + 1).map((io) => ({ ...io, survives, ...later }));
}
