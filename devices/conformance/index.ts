/**
 * What every device must do, as cases that any test runner can run: one suite for all implementations, real or simulated.
 *
 * A case is given a device, overwrites what it likes on it, and dies with a sentence when the device breaks the
 * contract. Faults are not looked for: a device under this suite has none switched on.
 */
import type { ConformanceCase } from "./case.ts";
import { generalCases } from "./general.ts";
import { zonedCases } from "./zones.ts";

export type { ConformanceCase } from "./case.ts";

/** The contract of `Device`, a case a promise. */
export const conformanceCases: ReadonlyArray<ConformanceCase> = [...generalCases, ...zonedCases];
