/**
 * The atlas of faults: draws which a disk suffers in a run, of all kinds mixed.
 *
 * Survivable faults cost a pool of one copy nothing: errors and wrong reads pass when they are tried again, writes fail
 * for good in a few places of which none is the superblock's, the disk stalls. Faults without limit may destroy
 * whatever was durable; then nothing wrong may be returned, and what is lost must be said to be. Pure: the draws are
 * the caller's.
 */
import type { Geometry } from "../devices/device.ts";
import type { Fault } from "../devices/sim/faults.ts";
import { defaultBucketBytes } from "../engine/device/bucket-io.ts";
import { SUPERBLOCK_BUCKETS } from "../engine/device/superblock-log.ts";
import type { Prng } from "./entropy.ts";

/** A place that was struck is spared for as often as the engine tries again, whatever tries it. */
const RESPITE = 8;
/** Operations of a run, about, among which single strikes are drawn. */
const OPERATIONS = 400;
/** Buckets that may be lost to writes that fail for good. */
const BAD_PLACES_MAX = 2;
/** Writes between two lies: a disk that loses all of its last writes shows the pool as it was before them. */
const LIES_APART = 20;

type Draw = (random: Prng, geometry: Geometry) => ReadonlyArray<Fault>;

const once = (index: number): Pick<Fault, "when"> => ({ when: { fromIndex: index, toIndex: index + 1 } });

/** Now and then, and never twice in a row at one place. */
const passing =
  (kind: Fault["kind"]): Draw =>
  (random) => [{ kind, probability: random.pick([0.003, 0.02, 0.1]), respite: RESPITE }];

const stall: Draw = (random) => [
  { kind: "delay", probability: 0.02, delayMs: random.pick([40, 700]) },
  { kind: "delay", ...once(random.below(OPERATIONS)), delayMs: 30_000 },
];

/** What comes before and behind the superblock's buckets. */
function behindSuperblocks({ capacityBytes, zones }: Geometry): Pick<Fault, "where"> {
  const bucketBytes = zones?.zoneBytes ?? defaultBucketBytes(capacityBytes);
  return { where: { fromBytes: SUPERBLOCK_BUCKETS * bucketBytes, toBytes: capacityBytes } };
}

const badPlaces: Draw = (random, geometry) =>
  Array.from({ length: random.between(1, BAD_PLACES_MAX) }, () => ({
    ...({ kind: "write-error", permanent: true } as const),
    ...once(random.below(OPERATIONS)),
    ...behindSuperblocks(geometry),
  }));

const PASSING: ReadonlyArray<Draw> = [
  passing("read-error"),
  passing("write-error"),
  passing("flush-error"),
  passing("read-rot"),
  passing("misdirected-read"),
  passing("stale-read"),
  stall,
];

const lies: Draw = (random) => {
  const kind = random.pick(["lost-write", "misdirected-write"] as const);
  return Array.from({ length: random.between(1, 6) }, (_, index) => ({
    kind,
    ...once(30 + index * 2 * LIES_APART + random.below(LIES_APART)),
  }));
};

const lastingReadErrors: Draw = (random) => [
  { kind: "read-error", permanent: true, probability: random.pick([0.01, 0.1]) },
];

const turningBits: Draw = (random) => [{ kind: "media-rot", probability: random.pick([0.01, 0.1]) }];

const refusedWrites: Draw = (random) => {
  const fromIndex = random.below(OPERATIONS);
  const permanent = random.chance(0.7);
  const when = { fromIndex, toIndex: fromIndex + random.between(5, 80) };
  return [{ kind: "write-error", permanent, when, probability: random.pick([0.2, 1]) }];
};

const brokenFlush: Draw = (random) => [{ kind: "flush-error", permanent: true, ...once(random.below(OPERATIONS)) }];

const pulledCable: Draw = (random) => [
  { kind: "gone", ...random.pick([{}, { delayMs: 0 }, { delayMs: 5000 }]), ...once(random.below(OPERATIONS)) },
];

const LASTING: ReadonlyArray<Draw> = [lies, lastingReadErrors, turningBits, refusedWrites, brokenFlush, pulledCable];

const some = (draws: ReadonlyArray<Draw>, share: number, random: Prng, geometry: Geometry): Array<Fault> =>
  draws.flatMap((draw) => {
    const drawn = draw(random, geometry);
    return random.chance(share) ? drawn : [];
  });

/** Faults of which none shows and none lasts. */
export const passingFaults = (random: Prng, geometry: Geometry): Array<Fault> => some(PASSING, 0.5, random, geometry);

/** Faults that a pool of one copy goes through without an error. */
export const survivableFaults = (random: Prng, geometry: Geometry): Array<Fault> => [
  ...passingFaults(random, geometry),
  ...some([badPlaces], 0.5, random, geometry),
];

/** Faults that may cost anything but the truth. */
export const faultsWithoutLimit = (random: Prng, geometry: Geometry): Array<Fault> => [
  ...some(PASSING, 0.2, random, geometry),
  ...some(LASTING, 0.4, random, geometry),
];
