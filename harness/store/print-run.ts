/**
 * A shortened run as the text of a module, one operation a line, which imports the scenario that it was made from.
 *
 * It throws `Unprintable` if an operation is not plain data.
 */
import { describePath } from "../crash-point.ts";
import { docblock, text, Unprintable } from "../shrink/print.ts";
import type { ShortenedRun } from "./shortened.ts";

/** Text, numbers, truth, bytes, lists and objects of these. */
function isPlain(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (["string", "number", "boolean"].includes(typeof value) || value instanceof Uint8Array) return true;
  if (Array.isArray(value)) return value.every(isPlain);
  if (typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return false;
  return Object.values(value).every(isPlain);
}

/** `module`: where the scenario is imported from. */
export function printRun(run: ShortenedRun, message: string, module: string): string {
  const { scenario, seed, draws, clients, crash, faultless } = run;
  if (!isPlain(clients)) throw new Unprintable("an operation is not plain data");
  const lists = clients.flatMap((list) => ["    [", ...list.map((each) => `      ${text(each, 6, 0)},`), "    ],"]);
  return [
    ...docblock(`${scenario}:${seed}`, message),
    ...(crash.faults === undefined ? [] : ['import { FaultPlan } from "varve/devices";']),
    'import { shortened } from "varve/harness";',
    `import * as module from ${JSON.stringify(module)};`,
    "",
    "export const scenario = shortened(module, {",
    `  scenario: ${JSON.stringify(scenario)},`,
    `  seed: ${seed},`,
    `  draws: ${JSON.stringify(draws)},`,
    ...(faultless === true ? ["  faultless: true,"] : []),
    ...(crash.only ?? []).flatMap(describePath).map((line) => `  // ${line}.`),
    `  crash: ${text(crash, 2, 8)},`,
    "  clients: [",
    ...lists,
    "  ],",
    "});",
    "",
  ].join("\n");
}
