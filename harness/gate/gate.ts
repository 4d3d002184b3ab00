/**
 * The gate of a campaign: whether each mark of the engine was reached as often as it is declared to be.
 *
 * What is counted is seeds that reach a mark, not how often one does: seeds are independent of each other, so the count
 * of them hardly strays. A mark is judged only when the campaign is large enough for that: declared rates are at most
 * a `MARGIN`th of measured ones, so a mark of which `WANTED_MIN` are wanted is reached by chance by fewer seeds than
 * wanted less than once in a million campaigns (a Poisson distribution bounds what is below the mean of such a sum).
 * Of a campaign that was cut short, whole rounds over all scenarios count.
 */
import type { SeedResult } from "../run.ts";
import { RATES, UNREACHED } from "./marks.ts";

/** Measured rates are at least so many times the declared ones. */
export const MARGIN = 4;
/** Fewer wanted seeds than this say nothing. */
export const WANTED_MIN = 7;

export interface MissedMark {
  readonly name: string;
  /** Seeds that reached it. */
  readonly found: number;
  /** Seeds that should have, at least. */
  readonly wanted: number;
}

export interface GateVerdict {
  /** Marks that the campaign is large enough to judge, of those declared. */
  readonly judged: number;
  readonly declared: number;
  readonly missed: ReadonlyArray<MissedMark>;
  /** Marks that were reached and are declared never to be, or not at all: the table is to be brought up to date. */
  readonly undeclared: ReadonlyArray<string>;
}

export class Gate {
  private readonly rates: Readonly<Record<string, number>>;
  private readonly found = new Map<string, number>();
  private seeds = 0;

  /** `rates`: how many of 1,000 seeds reach each mark, at least. */
  constructor(rates: Readonly<Record<string, number>> = RATES) {
    this.rates = rates;
  }

  take({ marks }: Pick<SeedResult, "marks">): void {
    this.seeds++;
    for (const mark of Object.keys(marks)) this.found.set(mark, (this.found.get(mark) ?? 0) + 1);
  }

  /** `scenarios`: how many of them were run, each as often as the others. */
  verdict(scenarios: number): GateVerdict {
    const seeds = Math.floor(this.seeds / scenarios) * scenarios;
    const declared = Object.entries(this.rates);
    const judged = declared
      .map(([name, rate]) => ({ name, found: this.found.get(name) ?? 0, wanted: Math.floor((rate * seeds) / 1000) }))
      .filter(({ wanted }) => wanted >= WANTED_MIN);
    return {
      judged: judged.length,
      declared: declared.length,
      missed: judged.filter(({ found, wanted }) => found < wanted),
      undeclared: [...this.found.keys()].filter((name) => this.rates[name] === undefined).sort(),
    };
  }
}

/** Why a mark that was reached has no rate. */
export const whyUndeclared = (name: string): string =>
  UNREACHED[name] === undefined ? "it is not in the table" : `the table says: ${UNREACHED[name]}`;
