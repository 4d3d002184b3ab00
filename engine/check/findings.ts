/**
 * What the passes of a check say: problems by pass, and counts of what was looked at.
 *
 * Only so many problems of one pass are kept, since one fault can show a million times; the others are counted.
 */

/** Problems of one pass that are kept. */
export const PROBLEMS_PER_PASS_MAX = 200;

export interface Problem {
  /** The pass that found it: `inodes`, `extents`, ... */
  readonly pass: string;
  readonly what: string;
}

export interface CheckReport {
  readonly problems: ReadonlyArray<Problem>;
  /** Problems that were found and are not listed. */
  readonly unlisted: number;
  /** What was looked at: rows by table, nodes, buckets, bytes. */
  readonly counts: Readonly<Record<string, number>>;
}

export class Findings {
  readonly problems: Array<Problem> = [];
  unlisted = 0;
  private readonly perPass: Map<string, number> = new Map();
  private readonly counts: Map<string, number> = new Map();

  found(pass: string, what: string): void {
    const before = this.perPass.get(pass) ?? 0;
    this.perPass.set(pass, before + 1);
    if (before < PROBLEMS_PER_PASS_MAX) this.problems.push({ pass, what });
    else this.unlisted++;
  }

  count(what: string, change = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + change);
  }

  /** Runs `decode`; a value that cannot be decoded is a problem and gives undefined. */
  decoded<A>(pass: string, what: string, decode: () => A): A | undefined {
    try {
      return decode();
    } catch (reason) {
      this.found(pass, `${what}: ${reason instanceof Error ? reason.message : String(reason)}`);
      return undefined;
    }
  }

  get report(): CheckReport {
    return { problems: this.problems, unlisted: this.unlisted, counts: Object.fromEntries(this.counts) };
  }
}
