/**
 * Who looks at the memory that a device read into, so that the device may read into it again; pure.
 *
 * The read cache holds the memory of each of its entries, and so does each answer until whoever asked is through with it.
 * Only when the last has let go the device hears of it. Whoever takes bytes and never says that they are through keeps
 * them for ever: then they are garbage some day, as if nobody counted. Nobody may look at bytes that they let go of.
 */

export class ReadMemory {
  private holders = 1;
  private readonly reuse: () => void;

  /** Whoever makes it holds it. `reuse` is called when nobody does any more. */
  constructor(reuse: () => void) {
    this.reuse = reuse;
  }

  hold(): void {
    if (this.holders === 0) throw new Error("memory held that was let go of by all");
    this.holders++;
  }

  release(): void {
    if (this.holders === 0) throw new Error("memory released more often than it was held");
    this.holders--;
    if (this.holders === 0) this.reuse();
  }
}

/** Bytes of an extent; without `memory` nobody will ever use theirs again. */
export interface Raw {
  readonly bytes: Uint8Array;
  readonly memory: ReadMemory | undefined;
}

/** What a read shows, as pieces behind one another, which may be those that are kept for others: nobody may change them. */
export class Pieces {
  readonly list: ReadonlyArray<Uint8Array>;
  private held: ReadonlyArray<{ readonly memory: ReadMemory | undefined }>;

  constructor(list: ReadonlyArray<Uint8Array>, held: ReadonlyArray<{ readonly memory: ReadMemory | undefined }>) {
    this.list = list;
    this.held = held;
  }

  /** Whoever asked looks at none of it any more. Need not be said, and more than once is as good as once. */
  release(): void {
    const { held } = this;
    this.held = NOTHING;
    for (const { memory } of held) memory?.release();
  }
}

const NOTHING: ReadonlyArray<never> = [];
