/**
 * The file in which an exploration keeps how far it is: JSON, replaced whole, so that a kill leaves the old one or the
 * new one.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { ExploreState } from "./progress.ts";

const VERSION = 1;

/** The state in the file; undefined if there is no file. Throws when it holds something else. */
export function readState(path: string): ExploreState | undefined {
  if (!existsSync(path)) return undefined;
  const held = JSON.parse(readFileSync(path, "utf8")) as Partial<ExploreState> & { readonly version?: unknown };
  const { version, ...state } = held;
  if (version !== VERSION || !Number.isSafeInteger(state.next) || typeof state.hash !== "string") {
    throw new Error("it holds no state of an exploration");
  }
  return state as ExploreState;
}

export function writeState(path: string, state: ExploreState): void {
  const beside = `${path}.new`;
  writeFileSync(beside, `${JSON.stringify({ version: VERSION, ...state }, undefined, 2)}\n`);
  renameSync(beside, path);
}
