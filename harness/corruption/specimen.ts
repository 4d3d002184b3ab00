/**
 * Pools with known content, to be corrupted: images of one pool at several moments of its life.
 *
 * The pool lives in a world of its own, so that a seed makes the same images everywhere. It is filled and closed;
 * opened again, changed and synced, each time imaged as it stands, with a journal to replay; and closed at last.
 * Of every image it is known what it holds, and where on it the structures are.
 */
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import type * as Scope from "effect/Scope";
import type { Device } from "../../devices/device.ts";
import { makeMemoryDevice } from "../../devices/memory.ts";
import { nodePlaces } from "../../engine/check/btrees.ts";
import { eachRow } from "../../engine/check/rows.ts";
import { SUPERBLOCK_BUCKETS } from "../../engine/device/superblock-log.ts";
import { decodeEntry } from "../../engine/format/journal-entry.ts";
import { encodeSuperblock } from "../../engine/format/superblock.ts";
import { Table } from "../../engine/format/tables.ts";
import { decodeExtent } from "../../engine/format/values/extent.ts";
import { formatPool, openPool, type OpenOptions, type Pool } from "../../engine/pool/pool.ts";
import { readJournal } from "../../engine/pool/recovery.ts";
import { Entropy } from "../entropy.ts";
import { type JournalledRows, journalledRows } from "../hostile-entry.ts";
import { World } from "../world.ts";
import { Inhabitants } from "./inhabitants.ts";
import { type Manifest, manifestOf } from "./manifest.ts";

export const SPECIMEN_BYTES = 8 * 1024 * 1024;
const QUIET: OpenOptions = { commitIntervalMs: 0, writebackIntervalMs: 0 };

export type PlaceKind = "superblock" | "journal" | "node" | "extent";

/** Something that the pool relies on. */
export interface Place {
  readonly kind: PlaceKind;
  readonly addressBytes: number;
  readonly lengthBytes: number;
}

export interface Specimen {
  readonly name: string;
  /** Closed, so that nothing needs to be replayed. */
  readonly clean: boolean;
  readonly image: Uint8Array;
  /**
   * What it holds now; before that at each sync, newest first; and what it would hold if its last journal entries had
   * never been written.
   */
  readonly states: ReadonlyArray<Manifest>;
  /** The pool at those moments. */
  readonly earlier: ReadonlyArray<Uint8Array>;
  readonly places: ReadonlyArray<Place>;
  readonly journal: JournalledRows;
  readonly uuid: Uint8Array;
  readonly blockBytes: number;
}

/** After a sync, and what the pool held then; imaged or not. */
interface Moment {
  readonly clean: boolean;
  readonly image: Uint8Array | undefined;
  readonly state: Manifest;
}

const imageOf = (device: Device): Effect.Effect<Uint8Array, unknown> =>
  Effect.map(device.read(0, SPECIMEN_BYTES), (bytes) => bytes.slice());

function lifeOf(seed: number): Effect.Effect<ReadonlyArray<Moment>, unknown> {
  const entropy = new Entropy(`specimen/${seed}`);
  const shape = entropy.stream("shape");
  const device = makeMemoryDevice({ name: "specimen", capacityBytes: SPECIMEN_BYTES });
  const moments: Array<Moment> = [];
  const open = <A>(body: (pool: Pool) => Effect.Effect<A, unknown>): Effect.Effect<A, unknown> =>
    Effect.scoped(Effect.flatMap(openPool([device], QUIET), body));
  const moment = (clean: boolean, state: Manifest): Effect.Effect<void, unknown> =>
    Effect.map(imageOf(device), (image) => void moments.push({ clean, image, state }));
  return Effect.gen(function* () {
    const uuid = Uint8Array.from({ length: 16 }, () => shape.below(256));
    yield* formatPool([device], { uuid, compression: shape.chance(0.8) ? "zstd" : "none" });
    const first = yield* open((pool) =>
      Effect.gen(function* () {
        const inhabitants = new Inhabitants(pool.filesystem, entropy.stream("content"));
        yield* inhabitants.moveIn;
        const state = yield* manifestOf(pool.filesystem);
        yield* pool.close;
        yield* moment(true, state);
        return inhabitants;
      }),
    );
    yield* open((pool) =>
      Effect.gen(function* () {
        const { filesystem } = pool;
        const inhabitants = first.in(filesystem);
        const seen = Effect.map(manifestOf(filesystem), (state) => {
          moments.push({ clean: false, image: undefined, state });
        });
        const synced = Effect.gen(function* () {
          yield* filesystem.syncfs;
          yield* moment(false, yield* manifestOf(filesystem));
        });
        yield* inhabitants.change;
        yield* synced;
        yield* inhabitants.change;
        yield* synced;
        yield* inhabitants.orphan(seen);
        yield* synced;
        yield* inhabitants.change;
        const state = yield* manifestOf(filesystem);
        yield* pool.close;
        yield* moment(true, state);
      }),
    );
    return moments;
  });
}

/** Superblock records are short and begin where their buckets do. */
const SUPERBLOCK_PLACE_BYTES = 16 * 1024;

function placesOf({ runtime }: Pool): Effect.Effect<ReadonlyArray<Place>, unknown> {
  const { io, superblock, trees, btree } = runtime;
  const { layout } = io.member(0);
  return Effect.gen(function* () {
    const places: Array<Place> = [];
    for (let bucket = 0; bucket < SUPERBLOCK_BUCKETS; bucket++) {
      places.push({ kind: "superblock", addressBytes: layout.start(bucket), lengthBytes: SUPERBLOCK_PLACE_BYTES });
    }
    const { entries } = yield* readJournal(io, superblock);
    for (const slot of new Set(entries.map((entry) => entry.slot))) {
      const start = layout.start(superblock.journalBuckets[slot]!.bucket);
      const bytes = yield* io.read(0, start, layout.usableBytes);
      const lengthBytes = bytes.findLastIndex((byte) => byte !== 0) + 1;
      places.push({ kind: "journal", addressBytes: start, lengthBytes });
    }
    for (const { addressBytes, lengthBytes } of nodePlaces(trees))
      places.push({ kind: "node", addressBytes, lengthBytes });
    yield* eachRow(btree, Table.extents, ({ view, at, length }) => {
      const extent = decodeExtent(view, at, length);
      if (extent.kind !== "data") return;
      const { addressBytes } = extent.pointers[0]!;
      places.push({ kind: "extent", addressBytes, lengthBytes: extent.storedBytes });
    });
    return places;
  });
}

/** A device that holds these bytes. */
function holding(image: Uint8Array): Effect.Effect<Device, unknown> {
  const device = makeMemoryDevice({ name: "specimen", capacityBytes: SPECIMEN_BYTES });
  return Effect.as(device.write(0, image), device);
}

interface StoredEntry {
  readonly sequence: number;
  readonly at: number;
  readonly lengthBytes: number;
}

/** All journal entries that stand on the image, needed or not, in the order in which they were written. */
function entriesOn(image: Uint8Array, { runtime }: Pool): ReadonlyArray<StoredEntry> {
  const { superblock, io } = runtime;
  const { layout } = io.member(0);
  const found: Array<StoredEntry> = [];
  for (const { bucket } of superblock.journalBuckets) {
    for (let at = layout.start(bucket); at < layout.start(bucket + 1); at += superblock.blockBytes) {
      const entry = decodeEntry(image, at, superblock.uuid);
      if (entry !== undefined) found.push({ sequence: entry.sequence, at, lengthBytes: entry.lengthBytes });
    }
  }
  return found.sort((one, other) => one.sequence - other.sequence);
}

/** The image without these entries, and with a superblock that does not know of them. */
function without(image: Uint8Array, { runtime }: Pool, entries: ReadonlyArray<StoredEntry>): Uint8Array {
  const { superblock, io } = runtime;
  const { layout } = io.member(0);
  const bytes = image.slice();
  for (const { at, lengthBytes } of entries) bytes.fill(0, at, at + layout.roundUp(lengthBytes));
  bytes.fill(0, 0, layout.start(SUPERBLOCK_BUCKETS));
  bytes.set(encodeSuperblock({ ...superblock, journalEnd: { sequence: 0, epoch: 0 } }), layout.start(0));
  return bytes;
}

/** What the pool would hold if the journal, behind one of the entries from `from` on, had never been written. */
function prefixesOf(image: Uint8Array, pool: Pool, from: number): Effect.Effect<ReadonlyArray<Manifest>, unknown> {
  const entries = entriesOn(image, pool);
  return Effect.gen(function* () {
    const states: Array<Manifest> = [];
    for (let left = entries.length - 1; left > 0 && entries[left]!.sequence > from; left--) {
      const device = yield* holding(without(image, pool, entries.slice(left)));
      const opened = Effect.flatMap(openPool([device], QUIET), ({ filesystem }) => manifestOf(filesystem));
      const state = yield* Effect.result(Effect.scoped(opened));
      // What an entry needs may have been let go since.
      if (state._tag === "Success") states.push(state.success);
    }
    return states;
  });
}

interface Before {
  /** Last journal entry of the specimen before. */
  readonly sequence: number;
  readonly prefixes: ReadonlyArray<Manifest>;
}

function specimenOf(
  name: string,
  moments: ReadonlyArray<Moment>,
  image: Uint8Array,
  before: Before,
): Effect.Effect<readonly [Specimen, Before], unknown, Scope.Scope> {
  const [{ clean }, ...past] = moments.toReversed() as [Moment, ...Array<Moment>];
  return Effect.gen(function* () {
    const device = yield* holding(image);
    const pool = yield* openPool([device], { ...QUIET, readOnly: true });
    const { uuid, blockBytes } = pool.superblock;
    const journal = yield* journalledRows(pool);
    const prefixes = [...(yield* prefixesOf(image, pool, before.sequence)), ...before.prefixes];
    const states = [...moments.map(({ state }) => state).toReversed(), ...prefixes];
    const earlier = past.flatMap((moment) => (moment.image === undefined ? [] : [moment.image]));
    const facts = { places: yield* placesOf(pool), journal, uuid, blockBytes };
    return [
      { name, clean, image, states, earlier, ...facts },
      { sequence: journal.last.sequence, prefixes },
    ] as const;
  });
}

/** The images of one pool's life, oldest first. */
export function specimensOf(seed: number): ReadonlyArray<Specimen> {
  const all = Effect.gen(function* () {
    const moments = yield* lifeOf(seed);
    const specimens: Array<Specimen> = [];
    let before: Before = { sequence: 0, prefixes: [] };
    for (const [index, { image }] of moments.entries()) {
      if (image === undefined) continue;
      const name = `pool ${seed}, moment ${index}`;
      const made: readonly [Specimen, Before] = yield* Effect.scoped(
        specimenOf(name, moments.slice(0, index + 1), image, before),
      );
      specimens.push(made[0]);
      before = made[1];
    }
    return specimens;
  });
  const exit = new World({ seed }).run(all);
  if (Exit.isSuccess(exit)) return exit.value;
  throw new Error(`specimen ${seed} could not be made: ${JSON.stringify(exit.cause.reasons)}`);
}
