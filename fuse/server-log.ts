/**
 * What a server has to say: every line goes to its log, and the last ones are kept for whoever asks.
 *
 * A line that comes again and again is written at most so often in a while; how often it was held back is said then.
 */

const LINES_KEPT = 50;
/** Lines of one kind, that is with the same words but for their numbers, in one period. */
const SAME_MAX = 20;
const PERIOD_MS = 10_000;

export interface LogLine {
  readonly at: string;
  readonly line: string;
}

export class ServerLog {
  private readonly write: (line: string) => void;
  private readonly nowMs: () => number;
  private readonly kept: Array<LogLine> = [];
  private readonly kinds: Map<string, number> = new Map();
  private startedMs: number;

  constructor(write: (line: string) => void, nowMs: () => number = Date.now) {
    this.write = write;
    this.nowMs = nowMs;
    this.startedMs = nowMs();
  }

  readonly say = (line: string): void => {
    if (this.nowMs() - this.startedMs >= PERIOD_MS) this.turn();
    const kind = line.replaceAll(/\d+/gu, "#");
    const times = (this.kinds.get(kind) ?? 0) + 1;
    this.kinds.set(kind, times);
    if (times <= SAME_MAX) this.put(line);
  };

  get last(): ReadonlyArray<LogLine> {
    return this.kept;
  }

  private turn(): void {
    this.startedMs = this.nowMs();
    for (const [kind, times] of this.kinds) {
      if (times > SAME_MAX) this.put(`${times - SAME_MAX} more lines like: ${kind}`);
    }
    this.kinds.clear();
  }

  private put(line: string): void {
    this.kept.push({ at: new Date(this.nowMs()).toISOString(), line });
    if (this.kept.length > LINES_KEPT) this.kept.shift();
    this.write(line);
  }
}
