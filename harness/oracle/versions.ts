/**
 * A value through time: what it was after each moment of a history.
 *
 * Moments only grow. A value set twice at one moment keeps the later one. Values are never changed in place by anybody,
 * so that the past stays what it was.
 */
export class Versions<T> {
  private readonly moments: Array<number>;
  private readonly values: Array<T>;

  constructor(bornMoment: number, value: T) {
    this.moments = [bornMoment];
    this.values = [value];
  }

  get bornMoment(): number {
    return this.moments[0] as number;
  }

  get last(): T {
    return this.values[this.values.length - 1] as T;
  }

  set(moment: number, value: T): void {
    const end = this.moments.length - 1;
    const latest = this.moments[end] as number;
    if (moment < latest) throw new Error(`a version of moment ${moment} came after one of moment ${latest}`);
    if (moment === latest) {
      this.values[end] = value;
      return;
    }
    this.moments.push(moment);
    this.values.push(value);
  }

  /** The value after `moment`; undefined before the first. */
  at(moment: number): T | undefined {
    let low = 0;
    let high = this.moments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.moments[middle] as number) <= moment) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? undefined : this.values[low - 1];
  }

  /** Every value that held at some time from `fromMoment` to `toMoment`, both included. */
  during(fromMoment: number, toMoment: number): ReadonlyArray<T> {
    const held: Array<T> = [];
    for (let index = 0; index < this.moments.length; index++) {
      const begins = this.moments[index] as number;
      const ends = this.moments[index + 1] ?? Number.POSITIVE_INFINITY;
      if (begins <= toMoment && ends > fromMoment) held.push(this.values[index] as T);
    }
    return held;
  }
}
