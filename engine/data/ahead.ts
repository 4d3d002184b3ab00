/**
 * Compresses elsewhere what comes next of a file, while what comes before it is encoded and written.
 *
 * Whether an extent is tried, and where it is cut, follows from what came of those before it. So this is a guess, which
 * whoever writes may leave aside: what is stored is the same with it and without. Whoever would have to wait for others
 * compresses what nobody has begun in the meantime.
 */
import * as Effect from "effect/Effect";
import { reached } from "../marks.ts";
import type { CompressionChoice, CompressionHistory } from "./compression.ts";
import type { Compressing, Compressor } from "./compressor.ts";
import type { DirtyBytes, DirtyRange } from "./dirty.ts";
import { looksPromising, shrink, type Shrunk } from "./encode.ts";

/** Pieces of a file that are handed over at a time. */
const GUESSES_MAX = 16;
/** Ranges that are looked at for each piece that is taken. */
const LOOKS_MAX = 4;

/** A range that was handed over, and what came of it if its writer did it after all. */
interface Guess extends DirtyRange {
  readonly compressing: Compressing;
  shrunk: Shrunk | undefined;
}

export class Ahead {
  private readonly compressor: Compressor;
  private readonly taken: DirtyBytes;
  private readonly ranges: ReadonlyArray<DirtyRange>;
  private readonly choice: CompressionChoice;
  private readonly history: CompressionHistory;
  private readonly guesses: Array<Guess> = [];
  /** The one whose result is waited for. */
  private awaited: Guess | undefined;
  /** Of the ranges, the first that was not looked at. */
  private next = 0;

  /** `ranges` of `taken`, which does not change any more, ascending, none longer than an extent. */
  constructor(
    compressor: Compressor,
    taken: DirtyBytes,
    ranges: ReadonlyArray<DirtyRange>,
    choice: CompressionChoice,
    history: CompressionHistory,
  ) {
    this.compressor = compressor;
    this.taken = taken;
    this.ranges = ranges;
    this.choice = choice;
    this.history = history;
  }

  /** What came of compressing what is left of a range, if it was guessed; and hands over what comes behind it. */
  take({ start, end }: DirtyRange): Effect.Effect<Shrunk> | undefined {
    const guess = this.guesses[0]?.start === start ? this.guesses.shift() : undefined;
    this.handOver(end);
    return guess && this.resultOf(guess);
  }

  private handOver(from: number): void {
    const last = Math.min(this.ranges.length, this.next + LOOKS_MAX);
    for (; this.next < last && this.guesses.length < GUESSES_MAX; this.next++) {
      const range = this.ranges[this.next]!;
      if (range.start >= from && range.end - range.start >= this.compressor.bytesMin) {
        const bytes = this.taken.view(range);
        if (looksPromising(bytes, this.choice, this.history)) {
          const compressing = this.compressor.begin(bytes, this.choice.level);
          if (compressing === undefined) return;
          this.guesses.push({ ...range, compressing, shrunk: undefined });
        }
      }
    }
  }

  private resultOf(guess: Guess): Effect.Effect<Shrunk> {
    while (guess.shrunk === undefined && !guess.compressing.isDone()) {
      const other = [guess, ...this.guesses].find((one) => one.shrunk === undefined && one.compressing.withdraw());
      if (other === undefined) break;
      reached("compression taken back");
      other.shrunk = shrink(this.taken.view(other), this.choice.level);
    }
    if (guess.shrunk !== undefined) return Effect.succeed(guess.shrunk);
    reached("compressed ahead");
    this.awaited = guess;
    return Effect.map(guess.compressing.result, (shrunk) => {
      this.awaited = undefined;
      guess.compressing.end();
      return shrunk;
    });
  }

  /** Nothing more is taken. */
  close(): void {
    this.next = this.ranges.length;
    this.awaited?.compressing.end();
    for (const guess of this.guesses.splice(0)) drop(guess);
  }
}

function drop({ shrunk, compressing }: Guess): void {
  if (shrunk === undefined) compressing.end();
}
