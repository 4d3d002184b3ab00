/**
 * A failure taken apart for the eye: which states the oracle allows, and in what the one that was found differs.
 *
 * The facts are the oracle's own words, one difference a line, and the model's tree after the change that it calls the
 * closest. Where it says nothing of that kind (a wrong answer, a deadlock) only the message remains.
 */
import { FileType } from "../../engine/fs/types.ts";
import { describeCrash } from "../crash-point.ts";
import type { History } from "../oracle/history.ts";
import { type Inode, typeOf } from "../oracle/inode.ts";
import type { SeedFailure } from "../run.ts";
import type { Difference, FailureView, TreeLine } from "./report-data.ts";

const ALLOWED_MAX = 200;
const TREE_LINES_MAX = 500;
const NOTHING = "(nothing)";

/** `history` and `root` are the model's, for what the message refers to by number; undefined if no client began. */
export function failureView(
  { where, message, crash }: SeedFailure,
  position: number | undefined,
  model: { readonly history: History; readonly root: Inode } | undefined,
): FailureView {
  const differences = message.split("\n").flatMap((line) => differenceIn(line) ?? []);
  // A pool that was used after a crash is judged by a model of its own, which went with it.
  const own = /used and crashed again/u.test(message) ? undefined : model;
  const range = rangeIn(message);
  const allowed = own === undefined || range === undefined ? [] : allowedStates(own.history, range);
  const tree = own === undefined || range === undefined ? undefined : treeAt(own.root, range.closest, differences);
  return {
    where,
    message,
    ...(crash === undefined ? {} : { crash: describeCrash(crash) }),
    ...(position === undefined ? {} : { position }),
    allowed,
    differences,
    ...(tree === undefined ? {} : { tree }),
  };
}

/** The problem that a line of the oracle tells, if it tells one of a path. */
export function differenceIn(line: string): Difference | undefined {
  const match = /(?:^|: )(\/[^:]*): (.*)$/u.exec(line);
  if (match === null) return undefined;
  const [, path = "", text = ""] = match;
  const is = (what: string, found: string, allowed: string): Difference => ({ path, what, found, allowed });
  const parts = (pattern: RegExp): ReadonlyArray<string> | undefined => pattern.exec(text)?.slice(1);
  const missing = parts(/^is missing \((.*)\)$/u);
  if (missing !== undefined) return is("name", NOTHING, missing[0]!);
  const extra = parts(/^should not be there \((.*)\)$/u);
  if (extra !== undefined) return is("name", extra[0]!, NOTHING);
  const ranged = parts(/^(.+?) is (.*), allowed are (.*)$/u);
  if (ranged !== undefined) return is(ranged[0]!.replace(/^its /u, ""), ranged[1]!, ranged[2]!);
  const plain = parts(/^(.+?) is (.*), expected (.*)$/u);
  if (plain !== undefined) return is(plain[0]!, plain[1]!, plain[2]!);
  const numbered = parts(/^(inode \d+), expected (.*)$/u);
  if (numbered !== undefined) return is("inode", numbered[0]!, numbered[1]!);
  const set = parts(/^modified (.*), set to (.*)$/u);
  if (set !== undefined) return is("modified", set[0]!, set[1]!);
  return is("", text, "");
}

interface Range {
  readonly floor: number;
  readonly top: number;
  readonly closest: number;
}

/** Moments are named `#7 label`, or `the beginning`. */
function rangeIn(message: string): Range | undefined {
  const moment = String.raw`(?:#(\d+)|the beginning)`;
  const numbered = (text: string | undefined): number => Number(text ?? 0);
  const one = new RegExp(`recovered is not the state after ${moment}`, "u").exec(message);
  if (one !== null) return { floor: numbered(one[1]), top: numbered(one[1]), closest: numbered(one[1]) };
  const some = new RegExp(`recovered is not any state from ${moment}.*? to ${moment}.*\\(crash after`, "u").exec(
    message,
  );
  const closest = new RegExp(`closest is the state after ${moment}`, "u").exec(message);
  if (some === null || closest === null) return undefined;
  return { floor: numbered(some[1]), top: numbered(some[2]), closest: numbered(closest[1]) };
}

function allowedStates(history: History, { floor, top, closest }: Range): FailureView["allowed"] {
  const moments = history.namespaceMoments.filter((moment) => moment >= floor && moment <= top);
  const from = Math.max(0, Math.min(moments.indexOf(closest) - ALLOWED_MAX / 2, moments.length - ALLOWED_MAX));
  return moments
    .slice(from, from + ALLOWED_MAX)
    .map((moment) => ({ label: history.label(moment), closest: moment === closest }));
}

/** The tree of the model after a change, with the differences at the paths that they are of. */
function treeAt(root: Inode, moment: number, differences: ReadonlyArray<Difference>): ReadonlyArray<TreeLine> {
  const lines: Array<TreeLine> = [];
  const stateOf = (path: string): TreeLine["state"] => {
    const own = differences.filter((each) => each.path === path);
    if (own.length === 0) return "same";
    return own.some(({ what, found }) => what === "name" && found === NOTHING) ? "missing" : "differs";
  };
  const walk = (inode: Inode, path: string, name: string, depth: number): void => {
    if (lines.length >= TREE_LINES_MAX) return;
    const state = inode.states.at(moment);
    lines.push({ depth, name, detail: detailOf(inode, moment), state: stateOf(path === "" ? "/" : path) });
    for (const [entry, child] of [...(state?.entries ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
      walk(child, `${path}/${entry}`, entry, depth + 1);
    }
    for (const { path: there, what, found, allowed } of differences) {
      const at = there.lastIndexOf("/");
      if (what !== "name" || allowed !== NOTHING || there.slice(0, at) !== path) continue;
      lines.push({ depth: depth + 1, name: there.slice(at + 1), detail: found, state: "extra" });
    }
  };
  walk(root, "", "/", 0);
  return lines;
}

function detailOf(inode: Inode, moment: number): string {
  const state = inode.states.at(moment);
  if (state === undefined) return "";
  const type = typeOf(state.mode);
  if (type === FileType.directory) return `${state.entries?.size ?? 0} entries`;
  if (state.target !== undefined) return `→ ${state.target}`;
  return inode.content === undefined ? inode.title : `${inode.title}, ${inode.content.sizeAt(moment)} bytes`;
}
