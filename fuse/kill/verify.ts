/**
 * What must be on the filesystem after the server was killed, given the ledger of a client.
 *
 * Every step that was acknowledged is there. The one step under way when the filesystem went may have happened or not:
 * nothing of it is torn. What was replaced without a sync is some version, whole, and no older than one that a later
 * sync of the same directory must have carried along.
 */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { BLOCK_BYTES, blockOf, BLOCKS, contentOf, type LedgerLine, logLine, SLOTS } from "./load.ts";

interface Expected {
  /** Versions by slot, the acknowledged one and perhaps one that was under way. */
  readonly replaced: Map<number, Set<number | undefined>>;
  readonly lazy: ReadonlyArray<{ least: number; readonly all: Set<number> }>;
  readonly blocks: Map<number, Set<number | undefined>>;
  linesLeast: number;
  linesMost: number;
  readonly present: Set<string>;
  readonly uncertain: Set<string>;
  readonly removed: Set<string>;
  directories: ReadonlyArray<string>;
}

const readLedger = (path: string): ReadonlyArray<LedgerLine> =>
  fs
    .readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as LedgerLine);

function begin(expected: Expected, step: LedgerLine): void {
  switch (step.kind) {
    case "replace": {
      const versions = expected.replaced.get(step.slot) ?? new Set([undefined]);
      expected.replaced.set(step.slot, versions.add(step.version));
      return;
    }
    case "lazy":
      expected.lazy[step.slot]!.all.add(step.version);
      return;
    case "block": {
      const versions = expected.blocks.get(step.block) ?? new Set([undefined]);
      expected.blocks.set(step.block, versions.add(step.version));
      return;
    }
    case "append":
      expected.linesMost = step.line + 1;
      return;
    case "create":
      expected.uncertain.add(step.name);
      return;
    case "remove":
      expected.present.delete(step.name);
      expected.uncertain.add(step.name);
      return;
    case "move":
      expected.directories = [step.from, step.to];
  }
}

/** The step is acknowledged; all but a lazy one synced everything before them, too. */
function done(expected: Expected, step: LedgerLine): void {
  if (step.kind === "lazy") return;
  for (const slot of expected.lazy) slot.least = Math.max(...slot.all);
  switch (step.kind) {
    case "replace":
      expected.replaced.set(step.slot, new Set([step.version]));
      return;
    case "block":
      expected.blocks.set(step.block, new Set([step.version]));
      return;
    case "append":
      expected.linesLeast = step.line + 1;
      return;
    case "create":
      expected.uncertain.delete(step.name);
      expected.present.add(step.name);
      return;
    case "remove":
      expected.uncertain.delete(step.name);
      expected.removed.add(step.name);
      return;
    case "move":
      expected.directories = [step.to];
  }
}

function expectationsOf(ledger: ReadonlyArray<LedgerLine>): Expected {
  const expected: Expected = {
    replaced: new Map(),
    lazy: Array.from({ length: SLOTS }, () => ({ least: 0, all: new Set([0]) })),
    blocks: new Map(),
    linesLeast: 0,
    linesMost: 0,
    present: new Set(),
    uncertain: new Set(),
    removed: new Set(),
    directories: ["dir-0"],
  };
  for (const line of ledger) (line.done ? done : begin)(expected, line);
  return expected;
}

/** The version that a file holds, whole; undefined if there is no file. */
function versionIn(path: string): number | undefined {
  if (!fs.existsSync(path)) return undefined;
  const bytes = fs.readFileSync(path);
  assert.ok(bytes.length >= 8, `${path} has ${bytes.length} bytes, as no version of it ever had`);
  const version = bytes.readDoubleLE();
  assert.ok(bytes.equals(contentOf(version)), `${path} is no version whole, though it begins as ${version}`);
  return version;
}

function verifySlots(directory: string, expected: Expected): void {
  for (const [slot, versions] of expected.replaced) {
    const found = versionIn(join(directory, `replace-${slot}`));
    assert.ok(versions.has(found), `replace-${slot} has version ${found}, not one of ${[...versions].join(" ")}`);
  }
  for (const [slot, { least, all }] of expected.lazy.entries()) {
    const found = versionIn(join(directory, `lazy-${slot}`));
    const known = found !== undefined && all.has(found) && found >= least;
    assert.ok(known, `lazy-${slot} has version ${found}; the least is ${least}`);
  }
}

function verifyFiles(directory: string, expected: Expected): void {
  const blocks = fs.readFileSync(join(directory, "blocks"));
  assert.equal(blocks.length, BLOCK_BYTES * BLOCKS);
  for (let block = 0; block < BLOCKS; block++) {
    const versions = [...(expected.blocks.get(block) ?? [undefined])];
    const allowed = versions.map((version) => (version === undefined ? 0 : blockOf(version)[0]));
    const found = blocks.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
    const strange = found.findIndex((byte) => !allowed.includes(byte));
    assert.equal(strange, -1, `block ${block} holds ${found[strange]} at ${strange}, not ${allowed.join(" or ")}`);
  }
  const log = fs.readFileSync(join(directory, "log"), "utf8");
  const lines = (count: number): string => Array.from({ length: count }, (_, line) => logLine(line)).join("");
  assert.ok(lines(expected.linesMost).startsWith(log), "the log holds what was never appended");
  assert.ok(log.length >= lines(expected.linesLeast).length, "the log lost lines that were synced");
}

function verifyNames(directory: string, expected: Expected): void {
  const names = new Set(fs.readdirSync(directory));
  for (const name of expected.present) {
    assert.ok(names.has(name), `${name} is gone`);
    assert.equal(fs.readFileSync(join(directory, name), "utf8"), name);
  }
  for (const name of expected.removed) assert.ok(!names.has(name), `${name} is back`);
  const here = expected.directories.filter((name) => names.has(name));
  assert.equal(here.length, 1, `of ${expected.directories.join(", ")} there are ${here.length}`);
  assert.equal(versionIn(join(directory, here[0]!, "inside")), 1);
  const known = /^(replace|lazy)(-\d+|\.new)$|^blocks$|^log$|^dir-\d+$|^file-\d+$/;
  for (const name of names) assert.match(name, known);
}

/** Throws when the filesystem is not what the ledger promises. Returns how many steps were acknowledged. */
export function verifyClient(directory: string, ledgerPath: string): number {
  const ledger = readLedger(ledgerPath);
  const expected = expectationsOf(ledger);
  verifySlots(directory, expected);
  verifyFiles(directory, expected);
  verifyNames(directory, expected);
  return ledger.filter((line) => line.done).length;
}
