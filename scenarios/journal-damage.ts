/**
 * Stories of a journal that is damaged once the pool is down: an entry in its middle, an entry that the device never
 * wrote though it said so, or all of its end.
 *
 * What was acknowledged stands in the journal alone, so the pool must be refused, or have all of it. One exception is in
 * the fault model: of a pool that was stopped, the very last entry has nothing that vouches for it.
 */
import * as Effect from "effect/Effect";
import { SimDisk } from "../devices/sim/disk.ts";
import { survivesAll } from "../devices/sim/survival.ts";
import { type Filesystem, type Fs, ROOT_INODE } from "../engine/fs/types.ts";
import { openPool } from "../engine/pool/pool.ts";
import type { Prng } from "../harness/entropy.ts";
import type { Epilogue } from "../harness/scenario.ts";
import { perform, performer } from "../harness/workload/operation.ts";
import { GENERAL, swarm } from "../harness/workload/profile.ts";
import { randomProgram } from "../harness/workload/program.ts";
import { HONEST_REFUSALS } from "./faults.ts";
import { CRASHES, pool, STRICT, type Story } from "./pools.ts";

interface Written {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

interface LastLife {
  /** Writes to the journal, in their order. */
  readonly entries: ReadonlyArray<Written>;
  readonly files: number;
  /** The pool was closed, rather than stopped like a machine whose power goes. */
  readonly closed: boolean;
}

const NAME = /^last-(\d+)$/u;

/** So that blocks in the midst of an entry look as if they had never been written. */
const setZeros = (filesystem: Filesystem, name: string, lengthBytes: number): Fs<void> =>
  Effect.flatMap(filesystem.lookup(ROOT_INODE, new TextEncoder().encode(name)), ({ inode }) =>
    filesystem.setxattr(inode, new TextEncoder().encode("user.zeros"), new Uint8Array(lengthBytes), "set"),
  );

/** Makes files, each of them durable before the next one. */
function lastLife(disk: SimDisk, random: Prng): Effect.Effect<LastLife, unknown> {
  const files = random.between(2, 12);
  const closed = random.chance(0.3);
  const writes: Array<Written> = [];
  return Effect.scoped(
    Effect.gen(function* () {
      const { filesystem, superblock, close } = yield* openPool([disk], { commitIntervalMs: 0 });
      const { bucketBytes, journalBuckets } = superblock;
      const inJournal = (offset: number): boolean =>
        journalBuckets.some(({ bucket }) => bucket === Math.floor(offset / bucketBytes));
      disk.setObserver((phase, operation, offsetBytes, lengthBytes) => {
        const isEntry = phase === "issue" && (operation === "write" || operation === "append");
        if (isEntry && inJournal(offsetBytes)) writes.push({ offsetBytes, lengthBytes });
      });
      const by = performer(filesystem);
      for (let file = 0; file < files; file++) {
        yield* perform({ kind: "create", path: `/last-${file}` }, by);
        if (random.chance(0.3)) yield* setZeros(filesystem, `last-${file}`, random.between(500, 20_000));
        yield* perform({ kind: "fsync", target: `/last-${file}` }, by);
      }
      const entries = [...writes];
      if (closed) yield* close;
      disk.setObserver(undefined);
      return { entries: closed ? writes : entries, files, closed };
    }),
  );
}

/** No entry is shorter; behind it may be padding, which is nobody's. */
const ENTRY_BYTES_MIN = 128;

const turn = (disk: SimDisk, random: Prng, { offsetBytes }: Written): void =>
  disk.rot(offsetBytes + random.below(ENTRY_BYTES_MIN), random.below(8));

/** Damages the journal; returns what was done to it. */
function damage(disk: SimDisk, random: Prng, { entries, closed }: LastLife): Effect.Effect<string, unknown> {
  const first = random.below(entries.length);
  if (closed) {
    for (const entry of entries.slice(first)) turn(disk, random, entry);
    return Effect.succeed(`the last ${entries.length - first} of ${entries.length} entries of a closed pool damaged`);
  }
  const which = `entry ${first} of ${entries.length}`;
  const entry = entries[first]!;
  if (disk.geometry.zones !== undefined || random.chance(0.5)) {
    turn(disk, random, entry);
    return Effect.succeed(`${which} damaged`);
  }
  const zeros = new Uint8Array(entry.lengthBytes);
  return Effect.as(Effect.andThen(disk.write(entry.offsetBytes, zeros), disk.flush), `${which} never written`);
}

/** Names of the last life that are there, as their numbers; undefined when the pool is refused. */
function filesFound(disk: SimDisk): Effect.Effect<ReadonlyArray<number> | { readonly refused: string }> {
  const read = Effect.scoped(
    Effect.gen(function* () {
      const { filesystem } = yield* openPool([disk], { readOnly: true });
      const root = 1;
      const found: Array<number> = [];
      for (let cookie = 0; ;) {
        const entries = yield* filesystem.readdir(root, cookie, 100);
        for (const { name, cookie: next } of entries) {
          cookie = next;
          const [, number] = NAME.exec(new TextDecoder().decode(name)) ?? [];
          if (number !== undefined) found.push(Number(number));
        }
        if (entries.length === 0) return found;
      }
    }),
  );
  return Effect.catch(read, ({ _tag: refused }) => Effect.succeed({ refused }));
}

function damageAndRead({ disk: original, random, fail }: Epilogue): Effect.Effect<void, unknown> {
  const disk = SimDisk.fromImage(original.crash(survivesAll), { name: "disk0", seed: random.u32(), statistics: false });
  return Effect.gen(function* () {
    const life = yield* lastLife(disk, random);
    const what = yield* damage(disk, random, life);
    const found = yield* filesFound(disk);
    if ("refused" in found) {
      if (HONEST_REFUSALS.has(found.refused)) return;
      return yield* fail(`with ${what}: opening the pool fails with ${found.refused}`);
    }
    const needed = life.closed ? life.files : life.files - 1;
    for (let file = 0; file < needed; file++) {
      if (!found.includes(file))
        return yield* fail(`with ${what}: file ${file} of ${life.files}, synced, is not there`);
    }
  });
}

const damagedJournal: Story = {
  name: "damaged-journal",
  summary: "a journal loses an entry or its end while the pool is down; the pool is refused, or has what was synced",
  plan: (entropy, medium) => ({
    ...pool(entropy, medium),
    tolerance: STRICT,
    clients: [randomProgram(swarm(GENERAL, entropy.stream("clients"), 0.1), 20)],
    crash: { ...CRASHES, statesMax: 2 },
    epilogue: damageAndRead,
  }),
};

export const journalDamageStories: ReadonlyArray<Story> = [damagedJournal];
