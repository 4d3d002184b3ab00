/**
 * Scripts of failures that were found once, each as short as it still failed: `varve replay SCENARIO:SEED --shrink`
 * writes them into this folder. They run in every campaign beside the scenarios that found them, and
 * `harness/mutants/past.ts` plants each bug again.
 */
import type { Scenario } from "../../harness/scenario.ts";
import { deviceNumberOfFifo } from "./device-number-of-a-fifo.ts";
import { oldJournalBehindGap } from "./old-journal-behind-a-gap.ts";
import { placesThatVouch } from "./places-that-vouch.ts";
import { readOfFifo } from "./read-of-a-fifo.ts";
import { readWhilePunched } from "./read-while-punched.ts";
import { staleSuccessor } from "./stale-successor.ts";
import { timeInTheFuture } from "./time-in-the-future.ts";

export const regressions: ReadonlyArray<Scenario> = [
  oldJournalBehindGap,
  placesThatVouch,
  readWhilePunched,
  timeInTheFuture,
  deviceNumberOfFifo,
  readOfFifo,
  staleSuccessor,
];
