/**
 * The ledger of a store: which operations were asked for, when they began, and when and how they ended.
 *
 * It only grows, and instants are counted, so an instant of a run is one integer and its history can be made later.
 * What was under way at a crash was cut off by it. A store that is used again after a crash gets a ledger of its own,
 * which begins with the history up to the crash.
 */

export type Outcome =
  /** It returned: what it promises holds. */
  | "acknowledged"
  /** It failed: it may have had its effect, or not. */
  | "failed"
  /** A crash came before it ended. */
  | "cut off";

/** An operation of a client, with the interval in which it took place. */
export interface Performed<Operation> {
  readonly client: string;
  readonly operation: Operation;
  /** Instants. Of two operations one came before the other if it ended before the other began. */
  readonly began: number;
  readonly ended: number;
  readonly outcome: Outcome;
  /** What it returned, if it was acknowledged. */
  readonly answer: unknown;
  /** Crashes before it. */
  readonly life: number;
}

/** Chooses operations, and may say of which kind they are. */
type Which<Operation, Kind extends Operation> =
  | ((operation: Operation) => operation is Kind)
  | ((operation: Operation) => boolean);

export class History<Operation = unknown> {
  /** In the order in which they began. */
  readonly performed: ReadonlyArray<Performed<Operation>>;
  /** The instant at which it ends. */
  readonly instant: number;
  /** Crashes that came before the last part of it. */
  readonly life: number;
  /** It ends with the store closed in order. */
  readonly closed: boolean;

  constructor(performed: ReadonlyArray<Performed<Operation>>, instant: number, life: number, closed: boolean) {
    this.performed = performed;
    this.instant = instant;
    this.life = life;
    this.closed = closed;
  }

  /**
   * Of these operations, say the puts of one key, those that may be the last one found in a store opened now. None that
   * must be durable began after they had ended. Undefined is among them if there may be none at all.
   *
   * An operation must be durable once it was acknowledged; with `settles`, once one of those (a sync, say) was
   * acknowledged that began behind it, or the store was closed.
   */
  lastOf<Kind extends Operation = Operation>(
    which: Which<Operation, Kind>,
    settles?: (operation: Operation) => boolean,
  ): ReadonlyArray<Kind | undefined> {
    return this.last(which, (each) => this.isDurable(each, settles), this.instant);
  }

  /** Of these operations, those that may be the last one that `reader`, an operation of this history, has seen. */
  seenBy<Kind extends Operation = Operation>(
    reader: Performed<Operation>,
    which: Which<Operation, Kind>,
    settles?: (operation: Operation) => boolean,
  ): ReadonlyArray<Kind | undefined> {
    const before = (each: Performed<Operation>): boolean =>
      each.outcome === "acknowledged" &&
      each.ended < reader.began &&
      (each.life === reader.life || this.isDurable(each, settles));
    return this.last(which, before, reader.ended);
  }

  /** Those that began by an instant, without those that one that happened for certain came behind. */
  private last<Kind extends Operation>(
    which: Which<Operation, Kind>,
    happened: (each: Performed<Operation>) => boolean,
    until: number,
  ): ReadonlyArray<Kind | undefined> {
    const possible = this.performed.filter(
      (each): each is Performed<Kind> => which(each.operation) && each.began <= until,
    );
    const latest = Math.max(...possible.filter(happened).map(({ began }) => began), -1);
    const last = possible.filter(({ ended }) => ended >= latest).map(({ operation }) => operation);
    return latest < 0 ? [undefined, ...last] : last;
  }

  private isDurable(
    { outcome, ended, life }: Performed<Operation>,
    settles: ((operation: Operation) => boolean) | undefined,
  ): boolean {
    if (outcome !== "acknowledged") return false;
    if (settles === undefined || (this.closed && life === this.life)) return true;
    return this.performed.some(
      (each) => each.outcome === "acknowledged" && each.life === life && each.began > ended && settles(each.operation),
    );
  }
}

interface Entry<Operation> extends Performed<Operation> {
  ended: number;
  outcome: Outcome;
  answer: unknown;
}

export class Ledger<Operation = unknown> {
  private readonly entries: Array<Entry<Operation>>;
  private readonly life: number;
  private instant: number;
  private closedAt = Number.POSITIVE_INFINITY;

  /** `before`: what came before the crash that this ledger begins with. */
  constructor(before?: History<Operation>) {
    this.entries = before === undefined ? [] : [...before.performed];
    this.life = before === undefined ? 0 : before.life + 1;
    this.instant = before === undefined ? 0 : before.instant + 1;
  }

  /** Notes that an operation begins; the returned function, that it ended. */
  begin(client: string, operation: Operation): (outcome: Exclude<Outcome, "cut off">, answer?: unknown) => void {
    const entry: Entry<Operation> = {
      ...{ client, operation, began: ++this.instant, life: this.life },
      ...{ ended: Number.POSITIVE_INFINITY, outcome: "cut off", answer: undefined },
    };
    this.entries.push(entry);
    return (outcome, answer) => Object.assign(entry, { outcome, answer, ended: ++this.instant });
  }

  /** Notes that the store was closed in order. */
  closed(): void {
    this.closedAt = ++this.instant;
  }

  mark(): number {
    return this.instant;
  }

  /** What was known at a mark, and what a crash then made of it. */
  at(mark: number): History<Operation> {
    const performed = this.entries
      .filter(({ began }) => began <= mark)
      .map((entry): Performed<Operation> => {
        if (entry.ended <= mark) return { ...entry };
        return { ...entry, ended: mark, outcome: "cut off", answer: undefined };
      });
    return new History(performed, mark, this.life, this.closedAt <= mark);
  }
}
