/**
 * Compresses elsewhere what comes next of a file, while what comes before it is encoded and written.
 *
 * How long an extent becomes, and whether it is tried at all, follows from what came of those before it. So this is a
 * guess: what was guessed wrongly is dropped and done once more by whoever writes, which makes what is stored the same
 * with it and without. Whoever would have to wait compresses what nobody has begun in the meantime.
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

  /** `ranges` of `taken`, which does not change any more, ascending, each a piece unless a bucket ends in it. */
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

  /** What came of compressing a piece, if it was guessed; and hands over what comes behind it. */
  take(piece: DirtyRange): Effect.Effect<Shrunk> | undefined {
    const guess = this.guessed(piece);
    this.handOver(piece.end);
    return guess && this.resultOf(guess);
  }

  private guessed({ start, end }: DirtyRange): Guess | undefined {
    while (this.guesses.length > 0 && this.guesses[0]!.start <= start) {
      const guess = this.guesses.shift()!;
      if (guess.start === start && guess.end === end) return guess;
      reached("compressed ahead in vain");
      drop(guess);
    }
    return undefined;
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
