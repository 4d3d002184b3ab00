/**
 * From measured values to medians and ratios; pure.
 *
 * A ratio is the median of the ratios of the rounds, since what is measured in one round has the same machine below it.
 * Ratios are Varve's value by that of its reference, so that for seconds less is better.
 */
import type { Group } from "./peers.ts";
import type { Figure } from "./workloads.ts";

/** Against what a figure is held, and what is aimed at. */
export interface Aim {
  readonly figure: string;
  /** A peer, or the best one of FUSE servers that hold a disk. */
  readonly reference: "passthrough_hp" | "ext4" | "best of fuse";
  readonly ratio: number;
}

export const aims: ReadonlyArray<Aim> = [
  { figure: "write", reference: "passthrough_hp", ratio: 1 },
  { figure: "read", reference: "passthrough_hp", ratio: 1.5 },
  { figure: "fsync", reference: "ext4", ratio: 1 },
  { figure: "sqlite", reference: "ext4", ratio: 1 },
  { figure: "random-write", reference: "passthrough_hp", ratio: 4 },
  { figure: "create", reference: "best of fuse", ratio: 2 },
  { figure: "stat", reference: "best of fuse", ratio: 5 },
  { figure: "rename", reference: "best of fuse", ratio: 2 },
  { figure: "unlink", reference: "best of fuse", ratio: 1.2 },
  { figure: "small-files", reference: "best of fuse", ratio: 3 },
  { figure: "untar", reference: "best of fuse", ratio: 0.4 },
  { figure: "grep", reference: "best of fuse", ratio: 0.6 },
];

/** Values of the rounds in order, by peer; a round in which a peer failed has none. */
export type Rounds = Readonly<Record<string, ReadonlyArray<number | undefined>>>;

export interface Ratio {
  readonly of: string;
  readonly against: string;
  readonly ratio: number;
  readonly aim: number;
  readonly met: boolean;
}

/** Undefined of nothing; of an even count the mean of the middle two. */
export function median(values: ReadonlyArray<number>): number | undefined {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return undefined;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const known = (values: ReadonlyArray<number | undefined> | undefined): ReadonlyArray<number> =>
  (values ?? []).filter((value) => value !== undefined);

/** The peer whose median is best; undefined if none has one. */
export function best(rounds: Rounds, candidates: ReadonlyArray<string>, more: boolean): string | undefined {
  let found: { readonly name: string; readonly value: number } | undefined;
  for (const name of candidates) {
    const value = median(known(rounds[name]));
    if (value === undefined) continue;
    if (found === undefined || (more ? value > found.value : value < found.value)) found = { name, value };
  }
  return found?.name;
}

/** The median of the ratios of rounds in which both have a value. */
export function pairedRatio(
  one: ReadonlyArray<number | undefined>,
  other: ReadonlyArray<number | undefined>,
): number | undefined {
  const ratios: Array<number> = [];
  one.forEach((value, round) => {
    const reference = other[round];
    if (value !== undefined && reference !== undefined && reference > 0) ratios.push(value / reference);
  });
  return median(ratios);
}

/** What Varve is, build by build, against what the figure is held against. */
export function ratiosOf(figure: Figure, rounds: Rounds, groups: Readonly<Record<string, Group>>): Array<Ratio> {
  const aim = aims.find((candidate) => candidate.figure === figure.name);
  if (aim === undefined) return [];
  const named = (group: Group): ReadonlyArray<string> => Object.keys(groups).filter((name) => groups[name] === group);
  const against = aim.reference === "best of fuse" ? best(rounds, named("fuse"), figure.more) : aim.reference;
  return named("varve").flatMap((of) => {
    const ratio = against === undefined ? undefined : pairedRatio(rounds[of] ?? [], rounds[against] ?? []);
    if (ratio === undefined) return [];
    return [
      { of, against: against!, ratio, aim: aim.ratio, met: figure.more ? ratio >= aim.ratio : ratio <= aim.ratio },
    ];
  });
}
