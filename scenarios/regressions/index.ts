/**
 * Scripts of failures that were found once, each as short as it still failed: `varve replay SCENARIO:SEED --shrink`
 * writes them into this folder. They run in every campaign beside the scenarios that found them.
 */
import type { Scenario } from "../../harness/scenario.ts";

export const regressions: ReadonlyArray<Scenario> = [];
