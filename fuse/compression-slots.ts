/**
 * Shared memory in which one thread leaves bytes to be compressed, and others what became of them.
 *
 * Each slot holds one piece at a time and goes from free to waiting, taken, done, and free again. Both a waiting piece's
 * owner and the threads may take it; an atomic exchange decides. Two counters wake whoever sleeps: one is raised for each
 * piece that comes, one for each that is done.
 */
import { EXTENT_BYTES_MAX } from "../engine/data/encode.ts";
import { compressedBytesMax, compressInto } from "../engine/format/zstd.ts";

const State = { free: 0, waiting: 1, taken: 2, done: 3 } as const;

const ASKED = 0;
const ANSWERED = 1;
const HEADER_WORDS = 2;
/** Words of a slot. */
const Word = { state: 0, turn: 1, rawBytes: 2, level: 3, storedBytes: 4 } as const;
const SLOT_WORDS = 5;
const STORED_BYTES_MAX = compressedBytesMax(EXTENT_BYTES_MAX);
const SLOT_BYTES = EXTENT_BYTES_MAX + STORED_BYTES_MAX;

/** Bytes that so many slots take. */
const bytesFor = (slots: number): number => (HEADER_WORDS + slots * SLOT_WORDS) * 4 + slots * SLOT_BYTES;

export class CompressionSlots {
  readonly memory: SharedArrayBuffer;
  readonly count: number;
  private readonly words: Int32Array;
  private turns = 0;

  constructor(count: number, memory = new SharedArrayBuffer(bytesFor(count))) {
    this.memory = memory;
    this.count = count;
    this.words = new Int32Array(memory, 0, HEADER_WORDS + count * SLOT_WORDS);
  }

  private at(slot: number, word: number): number {
    return HEADER_WORDS + slot * SLOT_WORDS + word;
  }

  private state(slot: number): number {
    return Atomics.load(this.words, this.at(slot, Word.state));
  }

  /** From one state into another, unless it is not in that one. */
  private turn(slot: number, from: number, to: number): boolean {
    return Atomics.compareExchange(this.words, this.at(slot, Word.state), from, to) === from;
  }

  private rawAt(slot: number): Uint8Array {
    const from = this.words.byteLength + slot * SLOT_BYTES;
    return new Uint8Array(this.memory, from, this.words[this.at(slot, Word.rawBytes)]);
  }

  private storedAt(slot: number): Uint8Array {
    return new Uint8Array(this.memory, this.words.byteLength + slot * SLOT_BYTES + EXTENT_BYTES_MAX, STORED_BYTES_MAX);
  }

  // For who has bytes to be compressed; one thread alone.

  /** Leaves a piece and says in which slot; -1 if none is free. */
  leave(bytes: Uint8Array, level: number): number {
    for (let slot = 0; slot < this.count; slot++) {
      if (this.state(slot) !== State.free) continue;
      this.words[this.at(slot, Word.turn)] = this.turns++;
      this.words[this.at(slot, Word.rawBytes)] = bytes.length;
      this.words[this.at(slot, Word.level)] = level;
      this.rawAt(slot).set(bytes);
      Atomics.store(this.words, this.at(slot, Word.state), State.waiting);
      Atomics.add(this.words, ASKED, 1);
      Atomics.notify(this.words, ASKED, 1);
      return slot;
    }
    return -1;
  }

  /** Takes a piece back if it waits still. */
  withdraw(slot: number): boolean {
    return this.turn(slot, State.waiting, State.free);
  }

  isDone(slot: number): boolean {
    return this.state(slot) === State.done;
  }

  /** Of a piece that is done: what it became, valid until `free`, and how long it was. */
  resultOf(slot: number): { readonly stored: Uint8Array; readonly storedBytes: number; readonly rawBytes: number } {
    const storedBytes = this.words[this.at(slot, Word.storedBytes)]!;
    return { stored: this.storedAt(slot), storedBytes, rawBytes: this.words[this.at(slot, Word.rawBytes)]! };
  }

  /** Of a piece that nobody will finish. */
  inputOf(slot: number): { readonly bytes: Uint8Array; readonly level: number } {
    return { bytes: this.rawAt(slot), level: this.words[this.at(slot, Word.level)]! };
  }

  /** Slots that are not free. */
  get used(): number {
    let used = 0;
    for (let slot = 0; slot < this.count; slot++) if (this.state(slot) !== State.free) used++;
    return used;
  }

  free(slot: number): void {
    Atomics.store(this.words, this.at(slot, Word.state), State.free);
  }

  /** Changes whenever a piece is done. */
  get answered(): number {
    return Atomics.load(this.words, ANSWERED);
  }

  /** Resolves when `answered` is no longer what it was; at once, and with nothing to wait for, if it is not now. */
  untilAnswered(was: number): Promise<unknown> | undefined {
    const { async, value } = Atomics.waitAsync(this.words, ANSWERED, was);
    return async ? value : undefined;
  }

  // For the threads.

  /** Compresses the piece that has waited longest; false if none waits. */
  work(): boolean {
    const slot = this.taken();
    if (slot < 0) return false;
    const storedBytes = compressInto(this.storedAt(slot), this.rawAt(slot), this.words[this.at(slot, Word.level)]);
    this.words[this.at(slot, Word.storedBytes)] = storedBytes;
    Atomics.store(this.words, this.at(slot, Word.state), State.done);
    Atomics.add(this.words, ANSWERED, 1);
    Atomics.notify(this.words, ANSWERED);
    return true;
  }

  private taken(): number {
    for (;;) {
      let oldest = -1;
      let turn = 0;
      for (let slot = 0; slot < this.count; slot++) {
        if (this.state(slot) !== State.waiting) continue;
        const its = this.words[this.at(slot, Word.turn)]!;
        // Turns are counted on beyond the greatest number, to the least.
        if (oldest >= 0 && ((its - turn) | 0) > 0) continue;
        [oldest, turn] = [slot, its];
      }
      if (oldest < 0 || this.turn(oldest, State.waiting, State.taken)) return oldest;
    }
  }

  /** Works whenever there is work; never returns. */
  workForEver(): never {
    for (;;) {
      const asked = Atomics.load(this.words, ASKED);
      if (!this.work()) Atomics.wait(this.words, ASKED, asked);
    }
  }
}
