/**
 * What the commands of the laboratory share: which scenarios and seeds the user means.
 */
import { availableParallelism } from "node:os";
import { scenarios } from "../scenarios/index.ts";
import type { AnyScenario } from "../harness/store/device-scenario.ts";
import { UsageError } from "./exit.ts";
import { fileNamed, loadScenarios } from "./scenario-file.ts";

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

/** Scenarios to run, and what to call them on the command line. */
export interface Chosen {
  readonly registry: {
    readonly url: string;
    readonly scenarios: ReadonlyArray<AnyScenario>;
    readonly address?: (name: string) => string;
  };
  readonly names: ReadonlyArray<string>;
  /** The file of the user that they are from. */
  readonly file?: string;
  /** To be called when nothing runs any more. */
  readonly close: () => void;
}

/** The scenarios of these names, or all; or those of one file of the user. */
export async function chooseScenarios(wanted: ReadonlyArray<string>): Promise<Chosen> {
  const [word = "", ...others] = wanted;
  const wantedFile = wanted.map(fileNamed).find((each) => each !== undefined);
  if (wantedFile === undefined) return { registry, names: scenarioNames(wanted), close: () => {} };
  const { file, name: only } = wantedFile;
  if (others.length > 0) throw new UsageError(`a file of scenarios is run by itself, not with others: ${word}`);
  const { url, scenarios, close } = await loadScenarios(file);
  const all = scenarios.map(({ name }) => name);
  const twice = all.find((name, index) => all.indexOf(name) !== index);
  const names = only === undefined ? all : all.filter((name) => name === only);
  if (twice !== undefined || names.length === 0) {
    close();
    throw new UsageError(
      twice === undefined
        ? `${file} has no scenario "${only}": there is ${all.join(", ")}`
        : `${file} has two scenarios of the name "${twice}"`,
    );
  }
  const address = (name: string): string => (all.length === 1 ? file : `${file}:${name}`);
  return { registry: { url, scenarios, address }, names, file, close };
}

/** The one scenario and seed that `SCENARIO:SEED` or `FILE:SEED` means. */
export async function chooseSeed(
  text: string,
): Promise<Pick<Chosen, "file" | "close"> & { readonly scenario: AnyScenario; readonly seed: number }> {
  const { scenario: word, seed } = splitScenarioSeed(text);
  const { registry, names, ...chosen } = await chooseScenarios([word]);
  const [name, ...others] = names;
  if (others.length > 0) {
    chosen.close();
    throw new UsageError(`${word} has several scenarios: say which, as in ${word}:${name}:${seed}`);
  }
  return { scenario: registry.scenarios.find((each) => each.name === name)!, seed, ...chosen };
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

/** `SCENARIO:SEED`, where the scenario is not looked at. */
function splitScenarioSeed(text: string): { readonly scenario: string; readonly seed: number } {
  const at = text.lastIndexOf(":");
  const seed = text.slice(at + 1);
  if (at <= 0 || !/^\d+$/u.test(seed) || Number(seed) > SEED_MAX) {
    throw new UsageError(`expected SCENARIO:SEED, for example create-write-fsync:7, not "${text}"`);
  }
  return { scenario: text.slice(0, at), seed: Number(seed) };
}

/** `SCENARIO:SEED`, where the scenario is one of ours. */
export function parseScenarioSeed(text: string): { readonly scenario: string; readonly seed: number } {
  const { scenario, seed } = splitScenarioSeed(text);
  const [name] = scenarioNames([scenario]);
  return { scenario: name!, seed };
}

export const defaultJobs = (): number => Math.max(1, availableParallelism());
