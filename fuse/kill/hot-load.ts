/**
 * The load of the hot rounds: one client that must never see an error, and knows exactly what must be there.
 *
 * Started as a program: `hot-load.js DIRECTORY SEED`. It syncs nothing. A line `verify` on standard input makes it
 * compare everything with what it did, and answer with a line of JSON: what is wrong, how many steps there were since
 * the last time, and how long the slowest took. `end` makes it end.
 */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const BLOCK_BYTES = 4096;
const BLOCKS = 512;
const NAMES = 24;
/** Steps between two looks at standard input. */
const STEPS_AT_ONCE = 25;

export interface HotReport {
  readonly problems: ReadonlyArray<string>;
  readonly steps: number;
  readonly slowestMs: number;
}

const stampOf = (block: number, version: number): Buffer => {
  const bytes = Buffer.alloc(BLOCK_BYTES, version & 0xff);
  bytes.writeUInt32LE(block, 0);
  bytes.writeUInt32LE(version, 4);
  bytes.writeUInt32LE(version, BLOCK_BYTES - 4);
  return bytes;
};

interface Known {
  readonly version: number;
  mode: number;
}

export class HotClient {
  private readonly directory: string;
  private random: number;
  private readonly blocks: number;
  private readonly log: number;
  private readonly nameless: number;
  private readonly versions: Array<number> = Array.from({ length: BLOCKS }, () => 0);
  private blocksLength = 0;
  private readonly files: Map<string, Known> = new Map();
  private readonly directories: Set<string> = new Set();
  private readonly namelessVersions: Array<number> = [];
  private logged = "";
  private version = 0;
  steps = 0;
  slowestMs = 0;

  constructor(directory: string, seed: number) {
    this.directory = directory;
    this.random = seed * 2_654_435_761 + 1;
    fs.mkdirSync(directory);
    this.blocks = fs.openSync(this.at("blocks"), "w+");
    this.log = fs.openSync(this.at("log"), "a+");
    this.nameless = fs.openSync(this.at("nameless"), "w+");
    fs.unlinkSync(this.at("nameless"));
  }

  private at(name: string): string {
    return join(this.directory, name);
  }

  private below(limit: number): number {
    this.random = (Math.imul(this.random, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((this.random / 0x1_0000_0000) * limit);
  }

  step(): void {
    const begun = performance.now();
    const kind = this.below(12);
    if (kind < 4) this.writeBlock();
    else if (kind === 4) this.append();
    else if (kind === 5) this.writeNameless();
    else if (kind === 6) this.cut();
    else if (kind === 7) this.changeDirectory();
    else this.changeName();
    this.slowestMs = Math.max(this.slowestMs, performance.now() - begun);
    this.steps++;
  }

  private writeBlock(): void {
    const block = this.below(BLOCKS);
    const version = ++this.version;
    assert.equal(fs.writeSync(this.blocks, stampOf(block, version), 0, BLOCK_BYTES, block * BLOCK_BYTES), BLOCK_BYTES);
    this.versions[block] = version;
    this.blocksLength = Math.max(this.blocksLength, (block + 1) * BLOCK_BYTES);
  }

  private append(): void {
    const line = `line ${++this.version}\n`;
    fs.writeSync(this.log, line);
    this.logged += line;
  }

  private writeNameless(): void {
    const block = this.below(16);
    const version = ++this.version;
    fs.writeSync(this.nameless, stampOf(block, version), 0, BLOCK_BYTES, block * BLOCK_BYTES);
    this.namelessVersions[block] = version;
  }

  /** The file of blocks loses its end; what is behind it reads as zeros when it grows again. */
  private cut(): void {
    if (this.below(8) !== 0) return this.writeBlock();
    const blocks = this.below(BLOCKS);
    fs.ftruncateSync(this.blocks, blocks * BLOCK_BYTES);
    this.blocksLength = blocks * BLOCK_BYTES;
    for (let block = blocks; block < BLOCKS; block++) this.versions[block] = 0;
  }

  private changeDirectory(): void {
    const name = `dir-${this.below(6)}`;
    if (this.directories.has(name)) {
      fs.rmdirSync(this.at(name));
      this.directories.delete(name);
    } else {
      fs.mkdirSync(this.at(name));
      this.directories.add(name);
    }
  }

  private changeName(): void {
    const name = `file-${this.below(NAMES)}`;
    const known = this.files.get(name);
    if (known === undefined) return this.make(name);
    const other = `file-${this.below(NAMES)}`;
    switch (this.below(4)) {
      case 0:
        fs.unlinkSync(this.at(name));
        this.files.delete(name);
        return;
      case 1:
        fs.renameSync(this.at(name), this.at(other));
        // Two names of one file stay as they are.
        if (this.files.get(other) === known) return;
        this.files.delete(name);
        this.files.set(other, known);
        return;
      case 2:
        if (this.files.has(other)) return;
        fs.linkSync(this.at(name), this.at(other));
        this.files.set(other, known);
        return;
      default:
        known.mode = 0o600 + this.below(0o100);
        fs.chmodSync(this.at(name), known.mode);
    }
  }

  private make(name: string): void {
    const version = ++this.version;
    // Fails if it is there, and must not be told that it is because its own first try was carried out.
    fs.writeFileSync(this.at(name), String(version).repeat(1 + (version % 3000)), { flag: "wx", mode: 0o644 });
    this.files.set(name, { version, mode: 0o644 });
  }

  /** Everything that is not as it was left. */
  verify(): ReadonlyArray<string> {
    const problems: Array<string> = [];
    const expect = (what: string, right: boolean): void => void (right || problems.push(what));
    const blocks = fs.readFileSync(this.at("blocks"));
    expect(`blocks has ${blocks.length} bytes, not ${this.blocksLength}`, blocks.length === this.blocksLength);
    for (let block = 0; block * BLOCK_BYTES < blocks.length; block++) {
      const version = this.versions[block]!;
      const expected = version === 0 ? Buffer.alloc(BLOCK_BYTES) : stampOf(block, version);
      const found = blocks.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
      expect(`block ${block} has version ${found.readUInt32LE(4)}, not ${version}`, found.equals(expected));
    }
    expect("the log is not what was appended", fs.readFileSync(this.at("log"), "utf8") === this.logged);
    const buffer = Buffer.alloc(BLOCK_BYTES);
    for (const [block, version] of this.namelessVersions.entries()) {
      if (version === undefined) continue;
      fs.readSync(this.nameless, buffer, 0, BLOCK_BYTES, block * BLOCK_BYTES);
      expect(`nameless block ${block} is not version ${version}`, buffer.equals(stampOf(block, version)));
    }
    for (const [name, { version, mode }] of this.files) {
      const whole = String(version).repeat(1 + (version % 3000));
      expect(`${name} is not version ${version}`, fs.readFileSync(this.at(name), "utf8") === whole);
      expect(`${name} has another mode`, (fs.statSync(this.at(name)).mode & 0o777) === mode);
    }
    const names = ["blocks", "log", ...this.files.keys(), ...this.directories].toSorted();
    expect("the names are not those that were made", fs.readdirSync(this.directory).toSorted().join() === names.join());
    return problems;
  }

  report(problems: ReadonlyArray<string>): HotReport {
    const report = { problems, steps: this.steps, slowestMs: Math.round(this.slowestMs) };
    this.steps = 0;
    this.slowestMs = 0;
    return report;
  }
}

async function runHotClient(directory: string, seed: number): Promise<void> {
  const say = (report: HotReport): void => void process.stdout.write(`${JSON.stringify(report)}\n`);
  const client = new HotClient(directory, seed);
  let wanted: string | undefined;
  createInterface({ input: process.stdin }).on("line", (line) => (wanted = line));
  for (;;) {
    try {
      for (let count = 0; count < STEPS_AT_ONCE; count++) client.step();
      if (wanted === "end") process.exit(0);
      if (wanted === "verify") say(client.report(client.verify()));
    } catch (error) {
      say(client.report([String(error)]));
      process.exit(1);
    }
    wanted = undefined;
    await new Promise((settle) => setImmediate(settle));
  }
}

const [, , directory, seed] = process.argv;
if (process.argv[1]?.endsWith("hot-load.js") === true && directory !== undefined) {
  await runHotClient(directory, Number(seed));
}
