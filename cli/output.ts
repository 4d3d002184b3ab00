/**
 * What a command writes: results to standard output, everything else to standard error.
 *
 * With `--json` standard output carries JSON objects, one a line, and nothing else; `print` is then silent. Progress is
 * one line that rewrites itself on a terminal, and at most a line a second elsewhere.
 */
import type { Options } from "./command.ts";
import { formatDuration } from "./quantity.ts";

const LINE_EVERY_MS = 1000;
const REDRAW_EVERY_MS = 100;

export class Output {
  readonly json: boolean;

  constructor(options: Options) {
    this.json = options.json;
  }

  /** A line for people. */
  print(line = ""): void {
    if (!this.json) process.stdout.write(`${line}\n`);
  }

  /** A line for programs. */
  object(value: unknown): void {
    if (this.json) process.stdout.write(`${JSON.stringify(value, jsonValue)}\n`);
  }

  /** Rows with aligned columns: those of numbers to the right, the others to the left. `header` is above them. */
  table(rows: ReadonlyArray<ReadonlyArray<string>>, header?: ReadonlyArray<string>): void {
    if (this.json) return;
    const all = header === undefined ? rows : [header, ...rows];
    const widths: Array<number> = [];
    const numbers: Array<boolean> = [];
    for (const row of all) row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)));
    for (const row of rows) {
      row.forEach(
        (cell, column) => (numbers[column] = (numbers[column] ?? true) && /^[\d.,]*( [KMGTP]?i?B)?$/.test(cell)),
      );
    }
    const pad = (cell: string, column: number): string =>
      numbers[column] === true ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!);
    for (const row of all) this.print(row.map(pad).join("  ").trimEnd());
  }
}

/** Bytes as hexadecimal and big integers as decimal, so that every result can be printed. */
function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return hex(value);
  if (value instanceof Map) return Object.fromEntries(value as Map<string, unknown>);
  return value;
}

export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export function uuidText(bytes: Uint8Array): string {
  const digits = hex(bytes);
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join(
    "-",
  );
}

/** Shows how far a long command is, on standard error. */
export class Progress {
  private readonly terminal = process.stderr.isTTY === true;
  private readonly startedMs = performance.now();
  private shownMs = this.startedMs;
  private drawn = false;

  /**
   * `done` of `total` (undefined: no end is known), with what is interesting besides. `before`: so much of it was done
   * when this began.
   */
  update(done: number, total: number | undefined, what: string, before = 0): void {
    const now = performance.now();
    if (now - this.shownMs < (this.terminal ? REDRAW_EVERY_MS : LINE_EVERY_MS)) return;
    this.shownMs = now;
    const line = progressLine(done, total, what, now - this.startedMs, before);
    if (this.terminal) process.stderr.write(`\r${line.slice(0, (process.stderr.columns ?? 80) - 1)}\u001b[K`);
    else process.stderr.write(`${line}\n`);
    this.drawn = true;
  }

  /** Clears the line of a terminal; call it before anything else is printed. */
  clear(): void {
    if (this.terminal && this.drawn) process.stderr.write("\r\u001b[K");
    this.drawn = false;
  }
}

export function progressLine(
  done: number,
  total: number | undefined,
  what: string,
  elapsedMs: number,
  before = 0,
): string {
  if (total === undefined || total <= 0) return `${done}  ${what}  ${formatDuration(elapsedMs)}`;
  const share = Math.min(1, done / total);
  const left = done > before ? `  ${formatDuration((elapsedMs / (done - before)) * (total - done))} left` : "";
  return `${done}/${total} (${Math.floor(share * 100)} %)  ${what}${left}`;
}
