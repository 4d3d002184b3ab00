/**
 * The load of the kill rounds: one client at work in its own directory, until the filesystem is taken from under it.
 *
 * Started as a program: `load.js DIRECTORY LEDGER SEED`. Before and after each step it writes a line into the ledger,
 * which lies elsewhere and survives; what a step's second line acknowledges was synced. `verify.ts` knows what the
 * lines promise. Ends with status 0 when the filesystem is gone, with 1 when it does wrong while it is there.
 */
import * as fs from "node:fs";
import { join } from "node:path";

export const BLOCK_BYTES = 4096;
export const BLOCKS = 64;
export const SLOTS = 12;

export type Step =
  /** Replaced by rename, both synced. */
  | { readonly kind: "replace"; readonly slot: number; readonly version: number }
  /** Replaced by rename, nothing synced: old or new, never a mixture. */
  | { readonly kind: "lazy"; readonly slot: number; readonly version: number }
  /** A block of a file, overwritten in place. */
  | { readonly kind: "block"; readonly block: number; readonly version: number }
  /** A line at the end of a log. */
  | { readonly kind: "append"; readonly line: number }
  | { readonly kind: "create"; readonly name: string }
  | { readonly kind: "remove"; readonly name: string }
  /** A directory with a file in it got another name. */
  | { readonly kind: "move"; readonly from: string; readonly to: string };

export type LedgerLine = Step & { readonly done: boolean };

/** Content of a version: its number, then bytes that depend on nothing else; between 0 and some 300 KB. */
export function contentOf(version: number): Buffer {
  const length = 8 + ((version * 7919) % (version % 10 === 0 ? 300_000 : 20_000));
  const bytes = Buffer.alloc(length);
  bytes.writeDoubleLE(version);
  for (let i = 8; i < length; i++) bytes[i] = (version * 31 + i * 7 + (i >> 8)) & 255;
  return bytes;
}

export const blockOf = (version: number): Buffer => Buffer.alloc(BLOCK_BYTES, (version % 251) + 1);
export const logLine = (line: number): string => `${line} ${"abcdefghij".repeat(line % 20)}\n`;

class Client {
  private readonly directory: string;
  private readonly ledger: number;
  private version = 0;
  private lines = 0;
  private readonly made: Array<string> = [];
  private moves = 0;
  private state: number;

  constructor(directory: string, ledger: number, seed: number) {
    this.directory = directory;
    this.ledger = ledger;
    this.state = seed + 1;
  }

  private draw(below: number): number {
    this.state = (Math.imul(this.state, 1103515245) + 12345) & 0x7fffffff;
    return (this.state >> 8) % below;
  }

  private note(step: Step, done: boolean): void {
    fs.writeSync(this.ledger, `${JSON.stringify({ ...step, done })}\n`);
  }

  private at(name: string): string {
    return join(this.directory, name);
  }

  private syncDirectory(): void {
    const fd = fs.openSync(this.directory, "r");
    fs.fsyncSync(fd);
    fs.closeSync(fd);
  }

  private write(name: string, flags: string, bytes: Buffer | string, at: number | null, sync: boolean): void {
    const fd = fs.openSync(this.at(name), flags);
    if (typeof bytes === "string") fs.writeSync(fd, bytes);
    else for (let done = 0; done < bytes.length;) done += fs.writeSync(fd, bytes, done, bytes.length - done, at);
    if (sync) fs.fsyncSync(fd);
    fs.closeSync(fd);
  }

  prepare(): void {
    this.write("blocks", "w", Buffer.alloc(BLOCK_BYTES * BLOCKS), null, true);
    this.write("log", "w", "", null, true);
    // Only what replaces something is promised to be whole without a sync.
    for (let slot = 0; slot < SLOTS; slot++) this.write(`lazy-${slot}`, "w", contentOf(0), null, true);
    fs.mkdirSync(this.at("dir-0"));
    this.write("dir-0/inside", "w", contentOf(1), null, true);
    this.syncDirectory();
  }

  step(): void {
    const step = this.choose();
    this.note(step, false);
    this.carryOut(step);
    this.note(step, true);
  }

  private choose(): Step {
    const version = ++this.version;
    switch (this.draw(9)) {
      case 0:
      case 1:
        return { kind: "replace", slot: this.draw(SLOTS), version };
      case 2:
      case 3:
        return { kind: "lazy", slot: this.draw(SLOTS), version };
      case 4:
        return { kind: "block", block: this.draw(BLOCKS), version };
      case 5:
        return { kind: "append", line: this.lines++ };
      case 6:
        return { kind: "create", name: `file-${version}` };
      case 7: {
        const name = this.made.splice(this.draw(Math.max(1, this.made.length)), 1)[0];
        return name === undefined ? { kind: "create", name: `file-${version}` } : { kind: "remove", name };
      }
      default:
        return { kind: "move", from: `dir-${this.moves}`, to: `dir-${++this.moves}` };
    }
  }

  private carryOut(step: Step): void {
    switch (step.kind) {
      case "replace":
      case "lazy":
        return this.replace(step.kind, step.slot, step.version);
      case "block":
        return this.write("blocks", "r+", blockOf(step.version), step.block * BLOCK_BYTES, true);
      case "append":
        return this.write("log", "a", logLine(step.line), null, true);
      case "create":
        this.write(step.name, "wx", step.name, null, true);
        this.made.push(step.name);
        return this.syncDirectory();
      case "remove":
        fs.unlinkSync(this.at(step.name));
        return this.syncDirectory();
      case "move":
        fs.renameSync(this.at(step.from), this.at(step.to));
        return this.syncDirectory();
    }
  }

  /** Every other time somebody has the old file open meanwhile. */
  private replace(kind: "replace" | "lazy", slot: number, version: number): void {
    const target = this.at(`${kind}-${slot}`);
    const reader = version % 2 === 0 && fs.existsSync(target) ? fs.openSync(target, "r") : undefined;
    this.write(`${kind}.new`, "w", contentOf(version), null, kind === "replace");
    fs.renameSync(this.at(`${kind}.new`), target);
    if (kind === "replace") this.syncDirectory();
    if (reader !== undefined) fs.closeSync(reader);
  }
}

const GONE = new Set(["ENOTCONN", "ECONNABORTED", "EIO", "ENODEV"]);

export function runClient(directory: string, ledgerPath: string, seed: number): number {
  const ledger = fs.openSync(ledgerPath, "a");
  const client = new Client(directory, ledger, seed);
  try {
    client.prepare();
    fs.writeSync(ledger, "ready\n");
    for (;;) client.step();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined && GONE.has(code)) return 0;
    process.stderr.write(`${String(error)}\n`);
    return 1;
  }
}

const [, , directory, ledgerPath, seed] = process.argv;
if (process.argv[1]?.endsWith("load.js") === true && directory !== undefined && ledgerPath !== undefined) {
  process.exitCode = runClient(directory, ledgerPath, Number(seed));
}
