/**
 * Named streams of random numbers, all derived from one root seed.
 *
 * A stream depends on the seed and its own name alone, so a new consumer never shifts the draws of another. Streams
 * are derived by `seedrandom` once each; draws come from xoshiro128**, which is fast and has no state but its own.
 */
import seedrandom from "seedrandom";

function stateOf(seed: number): readonly [number, number, number, number] {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  return [next(), next(), next(), next()];
}

export class Prng {
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  constructor(seed: number) {
    [this.a, this.b, this.c, this.d] = stateOf(seed);
  }

  /** Goes on with the numbers of another seed. */
  reseed(seed: number): void {
    [this.a, this.b, this.c, this.d] = stateOf(seed);
  }

  /** An integer in [0, 2^32). */
  u32(): number {
    const scrambled = Math.imul(this.b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= shifted;
    this.d = (this.d << 11) | (this.d >>> 21);
    return result;
  }

  /** An integer in [0, count). */
  below(count: number): number {
    return Math.floor((this.u32() / 2 ** 32) * count);
  }

  /** An integer in [low, high], both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** A number in [0, 1). */
  float(): number {
    return (this.u32() * 2 ** 21 + (this.u32() >>> 11)) / 2 ** 53;
  }

  chance(share: number): boolean {
    return this.float() < share;
  }

  pick<A>(choices: ReadonlyArray<A>): A {
    return choices[this.below(choices.length)]!;
  }
}

export class Entropy {
  readonly seed: string;
  /** Streams in use, if they may have to be reseeded. */
  private readonly streams: Array<readonly [name: string, stream: Prng]> | undefined;
  private branch = "";

  constructor(seed: string, reseedable = false) {
    this.seed = seed;
    this.streams = reseedable ? [] : undefined;
  }

  /** The stream of this name; the same one each time it is asked for anew. */
  stream(name: string): Prng {
    const stream = new Prng(this.number(name));
    this.streams?.push([name, stream]);
    return stream;
  }

  /** From here on everything is drawn anew, by another seed: streams that are in use and those to come. */
  reseed(seed: number): void {
    if (this.streams === undefined) throw new Error("this entropy was not made to be reseeded");
    this.branch = `~${seed}`;
    for (const [name, stream] of this.streams) stream.reseed(this.number(name));
  }

  /** A 32-bit seed for something that derives its own numbers. */
  number(name: string): number {
    return seedrandom(`${this.seed}/${name}${this.branch}`).int32();
  }
}
