/**
 * The results of a campaign in a file as they come, so that one that was cut short goes on where it stood.
 *
 * A line each, of JSON. The first says which campaign it is: only the same goes on, by the same build. Then come the
 * names of marks, which are numbered as they come, and results, which call marks and scenarios by number. Nothing in it is
 * believed unseen, but for a last line without its end: a kill cut it short, and what it told is run again.
 */
import { appendFileSync, closeSync, ftruncateSync, openSync, readSync } from "node:fs";
import { keyOf } from "./corpus/state.ts";
import type { SeedResult } from "./run.ts";

const FORMAT = "varve campaign 1";
const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/** What must be the same for a campaign to go on. */
export interface CampaignTerms {
  readonly build: string;
  readonly from: number;
  readonly to: number;
  readonly verifyShare: number;
  readonly scenarios: ReadonlyArray<string>;
}

/** A seed that was run. */
export interface KeptResult {
  readonly result: SeedResult;
  /** Was it run twice? */
  readonly twice: boolean;
  /** Of the clock, since the result before it, or since the campaign began or went on. */
  readonly wallMs: number;
}

type Row = readonly [
  scenario: number,
  seed: number,
  twice: 0 | 1,
  wallMs: number,
  hash: string,
  events: number,
  crashStates: number,
  equalStates: number,
  simulatedMs: number,
  /** Number and count of each mark, in turns. */
  marks: ReadonlyArray<number>,
  failure: SeedResult["failure"] | null,
];

export class CampaignLog {
  /** What the file held when it was opened. */
  readonly earlier: Iterable<KeptResult> = { [Symbol.iterator]: () => this.read() };
  private readonly file: number;
  private readonly terms: CampaignTerms;
  private readonly markNumbers = new Map<string, number>();
  private endBytes = 0;

  private constructor(file: number, terms: CampaignTerms) {
    this.file = file;
    this.terms = terms;
  }

  /**
   * The log in the file, begun if there is none. Throws, and changes nothing, if the file is that of another campaign or
   * holds something else.
   */
  static open(path: string, terms: CampaignTerms): CampaignLog {
    const log = new CampaignLog(openSync(path, "a+"), terms);
    try {
      log.verify();
      ftruncateSync(log.file, log.endBytes);
      if (log.endBytes === 0) log.put({ format: FORMAT, ...terms });
    } catch (error) {
      log.close();
      throw error;
    }
    return log;
  }

  append({ result, twice, wallMs }: KeptResult): void {
    const marks = Object.entries(result.marks).flatMap(([mark, count]) => [this.numberOf(mark), count]);
    const { scenario, seed, hash, events, crashStates, equalStates, simulatedMs, failure } = result;
    const row: Row = [
      this.terms.scenarios.indexOf(scenario),
      seed,
      twice ? 1 : 0,
      Math.round(wallMs),
      hash,
      events,
      crashStates,
      equalStates,
      simulatedMs,
      marks,
      failure ?? null,
    ];
    this.put(row);
  }

  close(): void {
    closeSync(this.file);
  }

  /** All of the line or an error: `writeSync` alone may stop in its midst where space runs out, and say nothing. */
  private put(line: unknown): void {
    appendFileSync(this.file, `${JSON.stringify(line)}\n`);
  }

  private numberOf(mark: string): number {
    const known = this.markNumbers.get(mark);
    if (known !== undefined) return known;
    const number = this.markNumbers.size;
    this.put(mark);
    this.markNumbers.set(mark, number);
    return number;
  }

  /** Reads all of it once, so that what is wrong with it is known before anything is run. */
  private verify(): void {
    const known = new Set<string>();
    for (const { result } of this.read()) {
      const key = keyOf(result);
      if (known.has(key)) throw new Error(`it tells ${key} twice`);
      known.add(key);
    }
  }

  private *read(): Generator<KeptResult> {
    const marks: Array<string> = [];
    let number = 0;
    for (const { text, endBytes } of linesOf(this.file)) {
      number++;
      let line: unknown;
      try {
        line = JSON.parse(text);
      } catch {
        throw new Error(`line ${number} is no JSON`);
      }
      if (number === 1) compareTerms(line, this.terms);
      else if (typeof line === "string") marks.push(line);
      else yield this.kept(line, marks, number);
      this.endBytes = endBytes;
    }
    marks.forEach((mark, index) => this.markNumbers.set(mark, index));
  }

  private kept(line: unknown, names: ReadonlyArray<string>, number: number): KeptResult {
    const { scenarios, from, to } = this.terms;
    if (!isRow(line)) throw new Error(`line ${number} tells no result`);
    const [index, seed, twice, wallMs, hash, events, crashStates, equalStates, simulatedMs, flat, failure] = line;
    const scenario = scenarios[index];
    const marks: Record<string, number> = {};
    for (let at = 0; at < flat.length; at += 2) {
      const name = names[flat[at]!];
      if (name === undefined) throw new Error(`line ${number} has a mark without a name`);
      marks[name] = flat[at + 1]!;
    }
    if (scenario === undefined || seed < from || seed > to) throw new Error(`line ${number} is of another campaign`);
    const counts = { events, crashStates, equalStates, simulatedMs };
    return {
      result: { scenario, seed, hash, ...counts, marks, failure: failure ?? undefined },
      twice: twice === 1,
      wallMs,
    };
  }
}

const isCount = (value: unknown): boolean => Number.isFinite(value) && (value as number) >= 0;

function isRow(line: unknown): line is Row {
  if (!Array.isArray(line) || line.length !== 11) return false;
  const [index, seed, twice, wallMs, hash, events, crashStates, equalStates, simulatedMs, marks, failure] =
    line as ReadonlyArray<unknown>;
  const counts = [index, seed, twice, wallMs, events, crashStates, equalStates, simulatedMs];
  if (!counts.every(isCount) || typeof hash !== "string") return false;
  if (!Array.isArray(marks) || marks.length % 2 !== 0 || !marks.every(isCount)) return false;
  return failure === null || (typeof failure === "object" && "message" in failure && "where" in failure);
}

/** Throws where the campaigns differ, with the words of the command line. */
function compareTerms(line: unknown, wanted: CampaignTerms): void {
  const { format, ...found } = (line ?? {}) as Partial<CampaignTerms> & { readonly format?: unknown };
  if (format !== FORMAT) throw new Error("it holds no campaign");
  const { build, from, to, verifyShare, scenarios } = found;
  if (build !== wanted.build) throw new Error(`it was begun by build ${build}, and this is ${wanted.build}`);
  if (from !== wanted.from || to !== wanted.to) throw new Error(`it was begun with --seeds ${from}..${to}`);
  if (verifyShare !== wanted.verifyShare) throw new Error(`it was begun with --verify ${verifyShare}`);
  if (JSON.stringify(scenarios) !== JSON.stringify(wanted.scenarios)) throw new Error("it has other scenarios");
}

/** Lines that have their end, each with where in the file that is. */
function* linesOf(file: number): Generator<{ readonly text: string; readonly endBytes: number }> {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let begun = Buffer.alloc(0);
  for (let at = 0; ;) {
    const length = readSync(file, chunk, 0, CHUNK_BYTES, at);
    if (length === 0) return;
    const read = chunk.subarray(0, length);
    let from = 0;
    for (let end = read.indexOf(NEWLINE); end >= 0; end = read.indexOf(NEWLINE, from)) {
      yield { text: Buffer.concat([begun, read.subarray(from, end)]).toString(), endBytes: at + end + 1 };
      begun = Buffer.alloc(0);
      from = end + 1;
    }
    begun = Buffer.concat([begun, read.subarray(from)]);
    at += length;
  }
}
