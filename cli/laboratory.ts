/**
 * What the commands of the laboratory share: which scenarios and seeds the user means.
 */
import { availableParallelism } from "node:os";
import { scenarios } from "../scenarios/index.ts";
import { UsageError } from "./exit.ts";

export const registry = { url: new URL("../scenarios/index.js", import.meta.url).href, scenarios };

export const SEED_MAX = 2 ** 31 - 1;

/** The scenarios of these names, or all. */
export function scenarioNames(wanted: ReadonlyArray<string>): ReadonlyArray<string> {
  const all = scenarios.map(({ name }) => name);
  const unknown = wanted.find((name) => !all.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`no scenario "${unknown}": \`varve scenarios\` lists what there is`);
  }
  return wanted.length === 0 ? all : all.filter((name) => wanted.includes(name));
}

/** `20` means seeds 1 to 20, `5..9` what it says. */
export function parseSeeds(text: string): { readonly from: number; readonly to: number } {
  const match = /^(?:(\d+)\.\.)?(\d+)$/u.exec(text);
  const to = Number(match?.[2]);
  const from = match?.[1] === undefined ? 1 : Number(match[1]);
  if (match === null || to < from || to > SEED_MAX) {
    throw new UsageError(`--seeds takes a count or a range such as 1..500, up to ${SEED_MAX}, not "${text}"`);
  }
  return { from, to };
}

/** `SCENARIO:SEED`. */
export function parseScenarioSeed(text: string): { readonly scenario: string; readonly seed: number } {
  const at = text.lastIndexOf(":");
  const seed = text.slice(at + 1);
  if (at <= 0 || !/^\d+$/u.test(seed) || Number(seed) > SEED_MAX) {
    throw new UsageError(`expected SCENARIO:SEED, for example create-write-fsync:7, not "${text}"`);
  }
  const [scenario] = scenarioNames([text.slice(0, at)]);
  return { scenario: scenario!, seed: Number(seed) };
}

export const defaultJobs = (): number => Math.max(1, availableParallelism());
