/**
 * Compresses for a pool in a simulation, as threads beside it would: with little room, taking its time, and in any order.
 *
 * It keeps a copy and looks at that only when it is done, as somebody else would. Whether a piece has been begun, and when
 * it is done, is the seed's to say.
 */
import * as Effect from "effect/Effect";
import type { Compressing, Compressor } from "../engine/data/compressor.ts";
import { shrink } from "../engine/data/encode.ts";
import type { Prng } from "./entropy.ts";

const ROOM_MAX = 5;
/** Share of pieces that are begun, and of those the share that are done, whenever somebody looks. */
const BEGUN_SHARE = 0.5;
const DONE_SHARE = 0.3;
/** How long it may take, by how slow it is. */
const RESULT_MS_MAX = [1, 20, 1000];

export class SlowCompressor implements Compressor {
  /** What is shorter may stand in a row. */
  readonly bytesMin = 513;
  /** Pieces that take room. */
  outstanding = 0;
  private readonly random: Prng;
  private readonly room: number;
  private readonly resultMsMax: number;

  /** `takesTime`: virtual time passes until a piece is done. */
  constructor(random: Prng, takesTime = true) {
    this.random = random;
    this.room = random.between(1, ROOM_MAX);
    this.resultMsMax = takesTime ? random.pick(RESULT_MS_MAX) : 0;
  }

  begin(bytes: Uint8Array, level: number): Compressing | undefined {
    if (this.outstanding >= this.room) return undefined;
    this.outstanding++;
    const { random } = this;
    const copy = bytes.slice();
    let [begun, done, ended] = [false, false, false];
    const end = (): void => {
      if (ended) throw new Error("a piece that was compressed elsewhere is let go of twice");
      ended = true;
      this.outstanding--;
    };
    return {
      isDone: () => {
        if (begun) done ||= random.chance(DONE_SHARE);
        return done;
      },
      withdraw: () => {
        begun ||= random.chance(BEGUN_SHARE);
        if (!begun) end();
        return !begun;
      },
      result: Effect.andThen(
        Effect.suspend(() => (done ? Effect.void : Effect.sleep(random.below(this.resultMsMax)))),
        Effect.sync(() => shrink(copy, level)),
      ),
      end,
    };
  }
}
