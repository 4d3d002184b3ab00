/**
 * The oracle against a toy filesystem: what the law allows is accepted, and every kind of breach is found and named.
 *
 * Allowed crash states are drawn at random from long random runs; forbidden ones are planted one by one.
 */
import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { type Filesystem, FileType, FsError } from "../../engine/fs/types.ts";
import { Entropy, type Prng } from "../entropy.ts";
import type { Client } from "../scenario.ts";
import { type Operation, type Outcome, perform, performer } from "../workload/operation.ts";
import { patternBytes } from "../workload/pattern.ts";
import { GENERAL, profile } from "../workload/profile.ts";
import { randomProgram } from "../workload/program.ts";
import type { Observable } from "./checked-filesystem.ts";
import { collectTree } from "./found-tree.ts";
import { bytesOf } from "./inode.ts";
import { Oracle } from "./oracle.ts";
import { type ToyChange, ToyFilesystem, type ToyNode, writeInto } from "./toy-filesystem.ts";

type Step = Operation;
const make = (path: string): Step => ({ kind: "create", path });
const mkdir = (path: string): Step => ({ kind: "mkdir", path });
const unlink = (path: string): Step => ({ kind: "unlink", path });
const fsync = (target: string): Step => ({ kind: "fsync", target });
const write = (target: string, offsetBytes: number, lengthBytes: number, tag: number): Step => ({
  kind: "write",
  target,
  offsetBytes,
  pattern: { tag, lengthBytes, texture: "noise" },
});
const truncate = (target: string, sizeBytes: number): Step => ({ kind: "truncate", target, sizeBytes });
const rename = (from: string, to: string): Step => ({ kind: "rename", from, to, mode: "replace" });

interface Run {
  readonly toy: ToyFilesystem;
  readonly oracle: Oracle;
  readonly outcomes: ReadonlyArray<Outcome>;
}

/** Runs the steps on a watched toy whose filesystem `bug` may change. */
function runSteps(
  steps: ReadonlyArray<Step>,
  bug: (fs: Filesystem, toy: ToyFilesystem) => Partial<Filesystem> = () => ({}),
): Run {
  const toy = new ToyFilesystem();
  const oracle = new Oracle();
  const engine: Observable = {
    filesystemFor: (observer) => {
      const fs = toy.filesystemFor(observer);
      return { ...fs, ...bug(fs, toy) };
    },
  };
  const by = performer(oracle.client("client 1", engine));
  const outcomes = steps.map((step) => Effect.runSync(perform(step, by)));
  return { toy, oracle, outcomes };
}

/** What the oracle says of the state that these changes make. */
function judge({ oracle }: Run, changes: Iterable<ToyChange>): ReadonlyArray<string> {
  const tree = Effect.runSync(collectTree(ToyFilesystem.replay(changes).filesystemFor({ linearized: () => {} })));
  return oracle.judge(oracle.mark(), tree).problems;
}

const change = (apply: ToyChange["apply"]): ToyChange => ({ kind: "namespace", file: undefined, apply });
const nodeOf = (state: Map<number, ToyNode>, number: number): ToyNode => state.get(number) as ToyNode;

/** A crash state that the law allows: a prefix of the namespace, and any part of the data that is not bound. */
function allowedCrash(toy: ToyFilesystem, random: Prng): ReadonlyArray<ToyChange> {
  const floor = Math.max(0, ...toy.syncs.map(({ started }) => started));
  const end = random.between(floor, toy.log.length);
  const names = toy.log.slice(0, end);
  const later = toy.log.slice(end);
  const limit = end + later.findIndex(({ kind }) => kind === "namespace");
  const reach = limit < end ? toy.log.length : limit;
  const kept: Array<ToyChange> = [];
  toy.log.slice(0, reach).forEach((entry, index) => {
    if (entry.kind === "namespace") {
      if (index < end) kept.push(entry);
      return;
    }
    const synced = toy.syncs.some(
      ({ started, file }) => index < started && (file === undefined || file === entry.file),
    );
    const awaited = names.some((other, at) => at > index && other.kind === "namespace" && other.file === entry.file);
    if (synced || awaited || random.chance(0.5)) kept.push(entry);
  });
  return kept;
}

function randomRun(seed: number, operations: number): Run & { readonly random: Prng } {
  const toy = new ToyFilesystem();
  const oracle = new Oracle();
  const random = new Entropy(String(seed)).stream("test");
  const filesystem = oracle.client("client 1", toy);
  const pool = { usage: Effect.die("not used"), limitMemory: () => {}, check: () => Effect.die("not used") };
  const client: Client = { name: "client 1", filesystem, random, model: oracle.model, pool };
  const lively = profile({
    farShare: 0,
    fileBytesMax: 60_000,
    writeLengths: { tiny: 3, small: 3, blocks: 2, large: 0 },
  });
  Effect.runSync(randomProgram({ ...lively, weights: { ...GENERAL.weights, sleep: 0 } }, operations)(client));
  return { toy, oracle, outcomes: [], random };
}

describe("live check", () => {
  it("accepts thousands of random operations on a filesystem that is right", () => {
    for (let seed = 0; seed < 40; seed++) expect(randomRun(seed, 120).oracle.violation).toBeUndefined();
  });

  const wrong: ReadonlyArray<
    readonly [string, ReadonlyArray<Step>, (fs: Filesystem, toy: ToyFilesystem) => Partial<Filesystem>, RegExp]
  > = [
    [
      "a read that returns other bytes",
      [make("/x"), write("/x", 0, 100, 1), { kind: "read", target: "/x", offsetBytes: 0, lengthBytes: 100 }],
      (fs) => ({ read: (...args) => Effect.map(fs.read(...args), (bytes) => bytes.fill(7, 40, 41)) }),
      /byte 40 is 7 .*expected \d+ \(write 1, its byte 40\)/,
    ],
    [
      "a read that returns too little",
      [make("/x"), write("/x", 0, 100, 1), { kind: "read", target: "/x", offsetBytes: 0, lengthBytes: 100 }],
      (fs) => ({ read: (...args) => Effect.map(fs.read(...args), (bytes) => bytes.subarray(0, 99)) }),
      /99 bytes from 0, expected 100/,
    ],
    [
      "a success that should be a failure",
      [mkdir("/a"), make("/a/x"), { kind: "rmdir", path: "/a" }],
      (fs, toy) => ({
        rmdir: (parent, name) =>
          Effect.andThen(
            Effect.sync(() => nodeOf(toy.state, toy.number("/a")).names.clear()),
            fs.rmdir(parent, name),
          ),
      }),
      /rmdir.*succeeded, expected NotEmpty/,
    ],
    [
      "a failure that should be a success",
      [make("/x"), unlink("/x")],
      () => ({ unlink: () => Effect.fail(new FsError("NotPermitted")) }),
      /unlink.*NotPermitted, expected success/,
    ],
    [
      "no space where there is some",
      [make("/x")],
      () => ({ mknod: () => Effect.fail(new FsError("NoSpace")) }),
      /NoSpace, expected success/,
    ],
    [
      "a wrong count of links",
      [make("/x"), { kind: "link", target: "/x", path: "/y" }],
      (fs) => ({ link: (...args) => Effect.map(fs.link(...args), (found) => ({ ...found, links: 1 })) }),
      /links 1, expected 2/,
    ],
    [
      "a size that lags behind",
      [make("/x"), write("/x", 0, 10, 1), { kind: "getattr", target: "/x" }],
      (fs) => ({ getattr: (inode) => Effect.map(fs.getattr(inode), (found) => ({ ...found, sizeBytes: 0 })) }),
      /sizeBytes 0, expected 10/,
    ],
    [
      "a name that readdir leaves out",
      [make("/x"), make("/y"), { kind: "readdir", target: "/", countMax: 10 }],
      (fs) => ({
        readdir: (...args) => Effect.map(fs.readdir(...args), (found) => found.filter(({ name }) => name[0] !== 0x79)),
      }),
      /entry "y" never came/,
    ],
    [
      "a name that readdir repeats",
      [make("/x"), make("/y"), { kind: "readdir", target: "/", countMax: 10 }],
      (fs) => ({ readdir: (...args) => Effect.map(fs.readdir(...args), (found) => [...found, ...found]) }),
      /came twice/,
    ],
    [
      "one inode number for two files",
      [make("/x"), make("/y")],
      (fs) => ({ mknod: (...args) => Effect.map(fs.mknod(...args), (found) => ({ ...found, inode: 2 })) }),
      /inode number 2 is given to/,
    ],
    [
      "a change that never says when it took effect",
      [make("/x")],
      (_fs, toy) => ({ mknod: toy.filesystemFor({ linearized: () => {} }).mknod }),
      /never said when/,
    ],
    [
      "a modification time that was set and is not there",
      [make("/x"), { kind: "setattr", target: "/x", changes: { modified: { seconds: 77, nanoseconds: 0 } } }],
      (fs) => ({ setattr: (inode) => fs.setattr(inode, {}) }),
      /modified at/,
    ],
  ];
  it.each(wrong)("finds %s", (_title, steps, bug, message) => {
    let found = "";
    try {
      found = String(runSteps(steps, bug).oracle.violation?.message);
    } catch (error) {
      found = String((error as { message?: string }).message ?? error);
    }
    expect(found).toMatch(message);
  });
});

describe("crash check", () => {
  it("accepts every allowed state of random runs", () => {
    for (let seed = 0; seed < 60; seed++) {
      const run = randomRun(seed, 60);
      for (let state = 0; state < 10; state++) expect(judge(run, allowedCrash(run.toy, run.random))).toEqual([]);
    }
  });

  it("accepts states at earlier marks while the history goes on", () => {
    const { toy, oracle } = runSteps([make("/x"), make("/y")]);
    const mark = oracle.mark();
    const by = performer(oracle.client("client 2", toy));
    Effect.runSync(perform(unlink("/x"), by));
    const tree = Effect.runSync(collectTree(ToyFilesystem.replay(toy.log).filesystemFor({ linearized: () => {} })));
    expect(oracle.judge(mark, tree).problems).not.toEqual([]);
    expect(oracle.judge(oracle.mark(), tree).problems).toEqual([]);
  });

  const inode = 2;
  const forbidden: ReadonlyArray<
    readonly [string, ReadonlyArray<Step>, (log: ReadonlyArray<ToyChange>) => ReadonlyArray<ToyChange>, RegExp]
  > = [
    ["a name lost that fsync made durable", [make("/x"), fsync("/x")], () => [], /\/x: is missing/],
    [
      "a later change without an earlier one",
      [mkdir("/a"), mkdir("/b"), make("/b/x")],
      (log) => log.slice(1),
      /\/a: is missing/,
    ],
    [
      "data lost that fsync made durable",
      [make("/x"), write("/x", 0, 5000, 1), fsync("/x")],
      (log) => [log[0]!],
      /size is 0, allowed are 5000/,
    ],
    [
      "old bytes where fsync made new ones durable",
      [make("/x"), write("/x", 0, 5000, 1), fsync("/x"), write("/x", 0, 5000, 2), fsync("/x")],
      (log) => log.slice(0, 2),
      /byte 2 is \d+ \(write 1, its byte 2\), allowed are \d+ since/,
    ],
    [
      "a size that was updated before its data",
      [make("/x"), write("/x", 0, 5000, 1)],
      (log) => [log[0]!, change((state) => writeInto(state, inode, 0, new Uint8Array(5000)))],
      /byte 0 is 0 \(zeros\), allowed are none since #1 .*, \d+ by #2/,
    ],
    [
      "a size beyond all that was written",
      [make("/x"), write("/x", 0, 5000, 1)],
      (log) => [...log, change((state) => writeInto(state, inode, 5000, new Uint8Array(1)))],
      /size is 5001, allowed are 0 .*, 5000/,
    ],
    [
      "bytes of another file",
      [make("/x"), make("/y"), write("/x", 0, 100, 1), write("/y", 0, 100, 2)],
      (log) => [...log.slice(0, 2), change((state) => writeInto(state, inode, 0, patternBytes(2, 100, "noise")))],
      /\/x: byte 2 is \d+ \(write 2, its byte 2\), allowed are none/,
    ],
    [
      "zeros between two writes that touch",
      [make("/x"), write("/x", 0, 4096, 1), fsync("/x"), write("/x", 4096, 4096, 2)],
      (log) => [...log, change((state) => writeInto(state, inode, 4000, new Uint8Array(200)))],
      /byte 4000 is 0/,
    ],
    [
      "an empty file after a replacing rename",
      [make("/x"), write("/x", 0, 100, 1), fsync("/x"), make("/t"), write("/t", 0, 100, 2), rename("/t", "/x")],
      (log) => log.filter((_entry, index) => index !== 3),
      /\/x: its size is 0, allowed are 100/,
    ],
    [
      "both names of a rename",
      [make("/x"), rename("/x", "/y")],
      (log) => [...log, change((state) => void nodeOf(state, 1).names.set("x", inode))],
      /\/x: should not be there/,
    ],
    [
      "neither name of a rename",
      [make("/x"), fsync("/x"), rename("/x", "/y")],
      (log) => [...log, change((state) => void nodeOf(state, 1).names.delete("y"))],
      /\/y: is missing/,
    ],
    [
      "a write without the change of the namespace before it",
      [make("/x"), make("/y"), write("/x", 0, 10, 1)],
      (log) => [log[0]!, log[2]!],
      /is missing|size is 10/,
    ],
    [
      "a truncate that brings old bytes back",
      [make("/x"), write("/x", 0, 9000, 1), truncate("/x", 10), truncate("/x", 9000), fsync("/x")],
      (log) => log.slice(0, 2),
      /byte 10 is/,
    ],
    [
      "an unlinked file that is back",
      [make("/x"), unlink("/x"), { kind: "syncfs" }],
      (log) => log.slice(0, 1),
      /\/x: should not be there/,
    ],
    [
      "two files where there were two names of one",
      [make("/x"), { kind: "link", target: "/x", path: "/y" }],
      (log) => [
        ...log,
        change((state) => {
          state.set(9, { ...nodeOf(state, inode), names: new Map(), xattrs: new Map() });
          nodeOf(state, 1).names.set("y", 9);
        }),
      ],
      /\/[xy]: inode \d, but another name of the same file has inode \d|\/y: inode 9, expected 2/,
    ],
    [
      "wrong permission bits",
      [make("/x"), fsync("/x")],
      (log) => [...log, change((state) => void (nodeOf(state, inode).mode ^= 0o7))],
      /\/x: mode is 0o100643, expected 0o100644/,
    ],
    [
      "a wrong count of links",
      [make("/x"), fsync("/x")],
      (log) => [...log, change((state) => void nodeOf(state, inode).links++)],
      /\/x: links is 2, expected 1/,
    ],
    [
      "an xattr that is lost",
      [
        make("/x"),
        {
          kind: "setxattr",
          target: "/x",
          name: "user.a",
          pattern: { tag: 1, lengthBytes: 9, texture: "text" },
          mode: "set",
        },
        fsync("/x"),
      ],
      (log) => log.slice(0, 1),
      /\/x: attribute user.a is missing/,
    ],
    [
      "a symlink with another target",
      [{ kind: "symlink", path: "/s", target: "there" }, { kind: "syncfs" }],
      (log) => [...log, change((state) => void (nodeOf(state, inode).target = bytesOf("thare")))],
      /\/s: target is thare, expected there/,
    ],
    [
      "a device node of another type",
      [{ kind: "mknod", path: "/d", type: "fifo", rdev: 0 }, { kind: "syncfs" }],
      (log) => [...log, change((state) => void (nodeOf(state, inode).mode = FileType.socket | 0o600))],
      /\/d: mode is/,
    ],
    [
      "a modification time that was set and synced",
      [
        make("/x"),
        { kind: "setattr", target: "/x", changes: { modified: { seconds: 77, nanoseconds: 0 } } },
        fsync("/x"),
      ],
      (log) => [...log, change((state) => void (nodeOf(state, inode).modified = { seconds: 78, nanoseconds: 0 }))],
      /\/x: modified/,
    ],
  ];
  it.each(forbidden)("finds %s", (_title, steps, crash, message) => {
    const run = runSteps(steps);
    expect(judge(run, run.toy.log)).toEqual([]);
    expect(judge(run, crash(run.toy.log)).join("\n")).toMatch(message);
  });

  it("lets the caller expect damage, but never wrong bytes", () => {
    const run = runSteps([make("/x"), write("/x", 0, 300_000, 1), make("/y"), fsync("/x"), { kind: "syncfs" }]);
    const fs = ToyFilesystem.replay(run.toy.log).filesystemFor({ linearized: () => {} });
    const damaged: Filesystem = {
      ...fs,
      read: (number, offset, length) =>
        offset < 100_000 ? Effect.fail(new FsError("InputOutput")) : fs.read(number, offset, length),
    };
    const tree = Effect.runSync(collectTree(damaged, { damageExpected: true }));
    expect(tree.unreadable).toHaveLength(1);
    expect(run.oracle.judge(run.oracle.mark(), tree).problems).toEqual([]);
    expect(run.oracle.judge(run.oracle.mark(), Effect.runSync(collectTree(damaged))).problems).not.toEqual([]);
    const lying: Filesystem = {
      ...damaged,
      read: (_number, _offset, length) => Effect.succeed(new Uint8Array(length)),
    };
    expect(
      run.oracle.judge(run.oracle.mark(), Effect.runSync(collectTree(lying, { damageExpected: true }))).problems,
    ).not.toEqual([]);
  });

  it("takes a file that cannot say where it has data for unknown from there on", () => {
    const FAR = 9 * 1024 * 1024;
    const run = runSteps([make("/x"), write("/x", 0, 50, 1), write("/x", FAR, 50, 2), fsync("/x")]);
    const fs = ToyFilesystem.replay(run.toy.log).filesystemFor({ linearized: () => {} });
    const failing = (from: number): Filesystem => ({
      ...fs,
      seek: (number, offset, what) =>
        offset >= from ? Effect.fail(new FsError("InputOutput")) : fs.seek(number, offset, what),
    });
    for (const from of [0, 1, FAR]) {
      const tree = Effect.runSync(collectTree(failing(from), { damageExpected: true }));
      expect(tree.unreadable).toHaveLength(1);
      expect(run.oracle.judge(run.oracle.mark(), tree).problems).toEqual([]);
      expect(run.oracle.judge(run.oracle.mark(), Effect.runSync(collectTree(failing(from)))).problems).not.toEqual([]);
    }
    const empty: Filesystem = { ...fs, seek: () => Effect.fail(new FsError("NoSuchOffset")) };
    const tree = Effect.runSync(collectTree(empty, { damageExpected: true }));
    expect(run.oracle.judge(run.oracle.mark(), tree).problems).not.toEqual([]);
  });

  it("goes on from what a crash left", () => {
    const first = randomRun(3, 60);
    const survivor = ToyFilesystem.replay(first.toy.log);
    const tree = Effect.runSync(collectTree(survivor.filesystemFor({ linearized: () => {} })));
    const second = new Oracle(undefined, tree);
    expect(second.judge(second.mark(), tree).problems).toEqual([]);
  });
});
