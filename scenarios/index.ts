/**
 * All scenarios by name: every story on a conventional disk, and the same as `zoned/...` on a zoned one; those
 * that only a zoned one can tell; then the scripts of failures that were found once.
 */
import type { Scenario } from "../harness/scenario.ts";
import { crashCaseStories } from "./crash-cases.ts";
import { deviceStories } from "./devices.ts";
import { crowdStories } from "./crowds.ts";
import { extentStories } from "./extents.ts";
import { faultStories } from "./faults.ts";
import { fullStories } from "./full.ts";
import { generalStories } from "./general.ts";
import { hostileStories } from "./hostile.ts";
import { journalDamageStories } from "./journal-damage.ts";
import { lifeStories } from "./lives.ts";
import { onBothMedia } from "./pools.ts";
import { regressions } from "./regressions/index.ts";
import { processStories } from "./processes.ts";
import { spaceStories } from "./space.ts";
import { zoneScenarios } from "./zones.ts";
import { steadyStories } from "./steady.ts";
import { streamStories } from "./streams.ts";
import { treeStories } from "./trees.ts";
import { upgradeStories } from "./upgrades.ts";

export const scenarios: ReadonlyArray<Scenario> = [
  ...[
    ...generalStories,
    ...spaceStories,
    ...extentStories,
    ...lifeStories,
    ...fullStories,
    ...upgradeStories,
    ...faultStories,
    ...deviceStories,
    ...crashCaseStories,
    ...hostileStories,
    ...crowdStories,
    ...treeStories,
    ...journalDamageStories,
    ...steadyStories,
    ...streamStories,
    ...processStories,
  ].flatMap(onBothMedia),
  ...zoneScenarios,
  ...regressions,
];

export function scenarioNamed(name: string): Scenario | undefined {
  return scenarios.find((scenario) => scenario.name === name);
}
