/**
 * All scenarios by name: every story on a conventional disk, and the same as `zoned/...` on a zoned one.
 */
import type { Scenario } from "../harness/scenario.ts";
import { crashCaseStories } from "./crash-cases.ts";
import { faultStories } from "./faults.ts";
import { generalStories } from "./general.ts";
import { onBothMedia } from "./pools.ts";
import { spaceStories } from "./space.ts";

export const scenarios: ReadonlyArray<Scenario> = [
  ...generalStories,
  ...spaceStories,
  ...faultStories,
  ...crashCaseStories,
].flatMap(onBothMedia);

export function scenarioNamed(name: string): Scenario | undefined {
  return scenarios.find((scenario) => scenario.name === name);
}
