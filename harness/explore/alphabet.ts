/**
 * The alphabets of bounded exploration: every step that a sequence may take, as plain data with a name to print.
 *
 * The namespace is small: files `foo` and `bar` in the root and in a directory, directories `A` and (in the full
 * alphabet) `B`. An alphabet is closed under renaming: with a step it holds the same step with `foo` and `bar`, or `A`
 * and `B`, changed for each other. `renamings` says which step becomes which, so that sequences which differ in nothing
 * but such names are told to be one. A step knows what it names; whether it can succeed is for `sketch.ts` to say.
 */
import type { FallocateMode } from "../../engine/fs/types.ts";
import type { Operation } from "../workload/operation.ts";

export type AlphabetName = "small" | "full";

/** What a step asks of the names that it names. */
export type StepKind =
  /** Makes a name that is not there. */
  | "create"
  | "mkdir"
  | "symlink"
  /** Changes a regular file. */
  | "content"
  | "setxattr"
  | "removexattr"
  | "link"
  | "unlink"
  | "rmdir"
  /** To a name that is not there. */
  | "rename"
  /** To a name that is there. */
  | "replace"
  | "exchange"
  | "fsync"
  | "syncfs";

export interface Step {
  readonly kind: StepKind;
  /** As `--only` takes it, for example `rename /foo /A/foo`. */
  readonly text: string;
  readonly paths: ReadonlyArray<string>;
  /** The operation of a workload; `tag` tells its bytes from those of other steps. */
  readonly operation: (tag: number) => Operation;
}

export interface Alphabet {
  readonly name: AlphabetName;
  readonly steps: ReadonlyArray<Step>;
  /** By renaming and step: the index of the step that it becomes. The identity is not among them. */
  readonly renamings: ReadonlyArray<ReadonlyArray<number>>;
}

/** Names of files, which may be renamed for each other. */
const FILES = ["foo", "bar"] as const;
/** Bytes of a block of the filesystem's data, as the lengths below mean it. */
const BLOCK = 4096;

const path = (directory: string, name: string): string => `${directory}/${name}`;
export const parentOf = (of: string): string => of.slice(0, of.lastIndexOf("/"));
export const nameOf = (of: string): string => of.slice(of.lastIndexOf("/") + 1);
/** `A` and `B` are names of directories, all others are not. */
export const namesDirectory = (of: string): boolean => /\/[AB]$/u.test(of) || of === "/";

function step(kind: StepKind, word: string, paths: ReadonlyArray<string>, operation: Step["operation"]): Step {
  return { kind, text: [word, ...paths].join(" "), paths, operation };
}

const create = (at: string): Step => step("create", "create", [at], () => ({ kind: "create", path: at }));
const mkdir = (at: string): Step => step("mkdir", "mkdir", [at], () => ({ kind: "mkdir", path: at }));
const unlink = (at: string): Step => step("unlink", "unlink", [at], () => ({ kind: "unlink", path: at }));
const rmdir = (at: string): Step => step("rmdir", "rmdir", [at], () => ({ kind: "rmdir", path: at }));
const symlink = (at: string): Step =>
  step("symlink", "symlink", [at], () => ({ kind: "symlink", path: at, target: "somewhere/else" }));
const link = (target: string, at: string): Step =>
  step("link", "link", [target, at], () => ({ kind: "link", target, path: at }));
const rename = (from: string, to: string): Step =>
  step("rename", "rename", [from, to], () => ({ kind: "rename", from, to, mode: "replace" }));
const replace = (from: string, to: string): Step =>
  step("replace", "replace", [from, to], () => ({ kind: "rename", from, to, mode: "replace" }));
const exchange = (from: string, to: string): Step =>
  step("exchange", "exchange", [from, to], () => ({ kind: "rename", from, to, mode: "exchange" }));
export const fsync = (target: string): Step => step("fsync", "fsync", [target], () => ({ kind: "fsync", target }));
export const syncfs: Step = step("syncfs", "syncfs", [], () => ({ kind: "syncfs" }));

const setxattr = (target: string): Step =>
  step("setxattr", "setxattr", [target], (tag) => {
    const pattern = { tag, lengthBytes: 100, texture: "text" } as const;
    return { kind: "setxattr", target, name: "user.a", pattern, mode: "set" };
  });
const removexattr = (target: string): Step =>
  step("removexattr", "removexattr", [target], () => ({ kind: "removexattr", target, name: "user.a" }));

/** A step on the bytes of a file; `what` stands behind the path in its text. */
function content(word: string, target: string, what: string, operation: Step["operation"]): Step {
  return { kind: "content", text: `${word} ${target} ${what}`, paths: [target], operation };
}

const write = (offsetBytes: number, lengthBytes: number) => (target: string) =>
  content("write", target, `${offsetBytes}+${lengthBytes}`, (tag) => {
    return { kind: "write", target, offsetBytes, pattern: { tag, lengthBytes, texture: "noise" } };
  });
const append = (lengthBytes: number) => (target: string) =>
  content("append", target, String(lengthBytes), (tag) => {
    return { kind: "append", target, pattern: { tag, lengthBytes, texture: "noise" } };
  });
const truncate = (sizeBytes: number) => (target: string) =>
  content("truncate", target, String(sizeBytes), () => ({ kind: "truncate", target, sizeBytes }));
const fallocate = (mode: FallocateMode, offsetBytes: number, lengthBytes: number, keep: boolean) => (target: string) =>
  content(mode, target, `${offsetBytes}+${lengthBytes}${keep ? " keep" : ""}`, () => {
    return { kind: "fallocate", target, mode, offsetBytes, lengthBytes, keepSize: keep };
  });

type ContentStep = (target: string) => Step;

/** Below a block, at it and over it; over data, behind the end, into the hole of a file of the setup. */
const CONTENT_SMALL: ReadonlyArray<ContentStep> = [
  write(500, 1000),
  write(3 * BLOCK, BLOCK),
  append(5000),
  truncate(3000),
  truncate(30_000),
  fallocate("allocate", 20_000, 12_000, true),
  fallocate("zero", 3000, 6000, false),
  fallocate("punch", 3000, 6000, true),
];

const CONTENT_FULL: ReadonlyArray<ContentStep> = [
  ...CONTENT_SMALL,
  write(BLOCK, BLOCK),
  write(3000, 5000),
  append(100),
  truncate(0),
  truncate(BLOCK),
  fallocate("allocate", 20_000, 12_000, false),
  fallocate("zero", 20_000, 12_000, true),
  fallocate("zero", 20_000, 12_000, false),
  fallocate("punch", 0, 2 * BLOCK, true),
];

/** An exchange is the same from both sides: it is named once, from the side that is listed first. */
const isFirstOfBoth = (
  [from, to]: readonly [string, string],
  index: number,
  all: ReadonlyArray<readonly [string, string]>,
): boolean => all.findIndex((other) => other[0] === to && other[1] === from) > index;

interface Extent {
  readonly directories: ReadonlyArray<string>;
  readonly contents: ReadonlyArray<ContentStep>;
  /** Paths of files whose bytes and attributes are changed, and that are made symbolic links. */
  readonly changed: ReadonlyArray<string>;
  /** From one file to another: where links and renames lead. */
  readonly moves: ReadonlyArray<readonly [string, string]>;
}

const everywhere = (parents: ReadonlyArray<string>): Array<string> =>
  parents.flatMap((parent) => FILES.map((name) => path(parent, name)));

/** Within the root under the other name, and in and out of `A` under the same one. */
function smallMoves(): Array<readonly [string, string]> {
  const across = FILES.flatMap((name): Array<readonly [string, string]> => {
    const [above, below] = [path("", name), path("/A", name)];
    return [
      [above, below],
      [below, above],
    ];
  });
  return [["/foo", "/bar"], ["/bar", "/foo"], ...across];
}

const pairs = (paths: ReadonlyArray<string>): Array<readonly [string, string]> =>
  paths.flatMap((from) => paths.filter((to) => to !== from).map((to) => [from, to] as const));

const EXTENTS: Readonly<Record<AlphabetName, Extent>> = {
  small: { directories: ["/A"], contents: CONTENT_SMALL, changed: everywhere([""]), moves: smallMoves() },
  full: {
    directories: ["/A", "/B"],
    contents: CONTENT_FULL,
    changed: everywhere(["", "/A", "/B"]),
    moves: pairs(everywhere(["", "/A", "/B"])),
  },
};

function stepsOf({ directories, contents, changed, moves }: Extent): Array<Step> {
  const files = everywhere(["", ...directories]);
  const between = pairs(directories);
  return [
    ...files.map(create),
    ...directories.map(mkdir),
    ...changed.flatMap((target) => contents.map((make) => make(target))),
    ...changed.map(setxattr),
    ...changed.map(removexattr),
    ...moves.map(([from, to]) => link(from, to)),
    ...files.map(unlink),
    ...directories.map(rmdir),
    ...[...moves, ...between].map(([from, to]) => rename(from, to)),
    ...[...moves, ...between].map(([from, to]) => replace(from, to)),
    ...[...moves, ...between].filter(isFirstOfBoth).map(([from, to]) => exchange(from, to)),
    ...changed.map(symlink),
    ...files.map(fsync),
    ...["/", ...directories].map(fsync),
    syncfs,
  ];
}

/** What tells one step from another, whichever way round an exchange is named. */
const identity = ({ kind, text, paths }: Step): string =>
  kind === "exchange" ? `exchange ${[...paths].sort().join(" ")}` : text;

/** The texts of paths with two names changed for each other. */
function swapped(text: string, [one, other]: readonly [string, string]): string {
  return text.replaceAll(/\/(\w+)/gu, (whole, name) =>
    name === one ? `/${other}` : name === other ? `/${one}` : whole,
  );
}

function renamingsOf(steps: ReadonlyArray<Step>, swaps: ReadonlyArray<ReadonlyArray<readonly [string, string]>>) {
  const indexOf = new Map(steps.map((each, index) => [identity(each), index]));
  return swaps.map((swap) =>
    steps.map((each) => {
      const rename = (text: string): string => swap.reduce(swapped, text);
      const image = identity({ ...each, text: rename(each.text), paths: each.paths.map(rename) });
      const index = indexOf.get(image);
      if (index === undefined) throw new Error(`the alphabet has "${each.text}", but not "${image}"`);
      return index;
    }),
  );
}

export function alphabetOf(name: AlphabetName): Alphabet {
  const extent = EXTENTS[name];
  const steps = stepsOf(extent);
  const files = FILES;
  const directories = ["A", "B"] as const;
  const swaps = extent.directories.length === 1 ? [[files]] : [[files], [directories], [files, directories]];
  return { name, steps, renamings: renamingsOf(steps, swaps) };
}

/** Steps from their texts, separated by semicolons; or the text that is no step of the alphabet. */
export function parseSteps({ steps }: Alphabet, text: string): ReadonlyArray<Step> | string {
  const byText = new Map(steps.map((each) => [each.text, each]));
  const found: Array<Step> = [];
  for (const part of text.split(";")) {
    const words = part.trim().replaceAll(/\s+/gu, " ");
    const one = byText.get(words);
    if (one === undefined) return words;
    found.push(one);
  }
  return found;
}

export const textOfSteps = (steps: ReadonlyArray<Step>): string => steps.map(({ text }) => text).join("; ");
