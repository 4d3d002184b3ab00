/**
 * Stories of images that somebody has made to harm: every checksum is right, and what it covers is not.
 *
 * Behind a cleanly closed journal one more entry is put, linked and sealed as the engine would, with rows that were
 * turned upside down: values with extreme numbers, keys of other rows, lengths that fit nothing, pointers to anywhere.
 * Whoever opens such a pool may be refused and may read nonsense; the engine must neither hang, nor break an invariant
 * of its own, nor fail in any way but by a typed error. Nothing else can be asked, since the image is what it says.
 */
import * as Effect from "effect/Effect";
import { SimDisk } from "../devices/sim/disk.ts";
import { survivesAll } from "../devices/sim/survival.ts";
import { eachRow } from "../engine/check/rows.ts";
import {
  encodeEntry,
  type EntryHead,
  type EntryRoot,
  type JournalEntry,
  UPDATE_HEAD_WORDS,
  UpdateBuffer,
} from "../engine/format/journal-entry.ts";
import { encodePointer, pointerBytes } from "../engine/format/pointer.ts";
import { SNAPSHOT_ROOT, TABLE_COUNT, VALUE_BYTES_MAX } from "../engine/format/tables.ts";
import type { FsError } from "../engine/fs/types.ts";
import { FileType, type Filesystem, ROOT_INODE } from "../engine/fs/types.ts";
import { openPool, type OpenOptions, type Pool } from "../engine/pool/pool.ts";
import { readJournal } from "../engine/pool/recovery.ts";
import type { Prng } from "../harness/entropy.ts";
import type { Epilogue } from "../harness/scenario.ts";
import { GENERAL, swarm } from "../harness/workload/profile.ts";
import { randomProgram } from "../harness/workload/program.ts";
import { CRASHES, pool, STRICT, type Story } from "./pools.ts";

/** Images made from one pool. */
const IMAGES = 12;
const UPDATE_BYTES_MAX = 64 * 1024;
const OWNER = { uid: 0, gid: 0 };
/** Numbers at which arithmetic goes wrong. */
const EXTREMES = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const FAR = [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 52, Number.MAX_SAFE_INTEGER];

interface Row {
  readonly table: number;
  readonly level: number;
  readonly inode: number;
  readonly offset: number;
  readonly snapshot: number;
  readonly value: Uint8Array;
}

/** What a closed pool holds, and where its journal ends. */
interface Specimen {
  readonly rows: ReadonlyArray<Row>;
  readonly last: JournalEntry;
  /** Byte address behind the last entry, and how much room is there. */
  readonly endBytes: number;
  readonly roomBytes: number;
}

function specimenOf(opened: Pool): Effect.Effect<Specimen, unknown> {
  const { io, superblock, btree, trees } = opened.runtime;
  return Effect.gen(function* () {
    const rows: Array<Row> = [];
    for (let table = 0; table < TABLE_COUNT; table++) {
      yield* eachRow(btree, table, ({ inode, offset, snapshot, view, at, length }) => {
        rows.push({ table, level: 0, inode, offset, snapshot, value: new Uint8Array(view.buffer, at, length).slice() });
      });
    }
    for (const tree of trees.all) {
      for (const { level, lowInode, lowOffset, lowSnapshot, pointer } of tree.nodes()) {
        if (pointer === undefined) continue;
        const value = new Uint8Array(pointerBytes(pointer));
        encodePointer(new DataView(value.buffer), 0, pointer);
        const [inode, offset, snapshot] = [lowInode, lowOffset, lowSnapshot];
        rows.push({ table: tree.root.table, level: level + 1, inode, offset, snapshot, value });
      }
    }
    const { entries } = yield* readJournal(io, superblock);
    const { slot, entry: last } = entries.at(-1)!;
    const { device, bucket } = superblock.journalBuckets[slot]!;
    const { layout } = io.member(device);
    const usedBytes = yield* usedBytesOf(opened, slot);
    return { rows, last, endBytes: layout.start(bucket) + usedBytes, roomBytes: layout.usableBytes - usedBytes };
  });
}

/** Bytes of the journal bucket up to the end of the last entry, which a clean close leaves as the last thing in it. */
function usedBytesOf(opened: Pool, slot: number): Effect.Effect<number, unknown> {
  const { io, superblock } = opened.runtime;
  const { device, bucket } = superblock.journalBuckets[slot]!;
  const { layout } = io.member(device);
  return Effect.map(io.read(device, layout.start(bucket), layout.usableBytes), (bytes) => {
    const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
    return layout.roundUp(used);
  });
}

/** Turns one row into something that nobody would write. */
function deranged(random: Prng, row: Row, rows: ReadonlyArray<Row>): Row {
  const value = row.value.slice();
  const view = new DataView(value.buffer);
  switch (random.below(8)) {
    case 0:
    case 1:
      for (let turned = 0; turned < 1 + random.below(4) && value.length > 0; turned++) {
        value[random.below(value.length)]! ^= 1 << random.below(8);
      }
      return { ...row, value };
    case 2:
    case 3:
      if (value.length >= 4) view.setUint32(random.below(value.length - 3), random.pick(EXTREMES), true);
      return { ...row, value };
    case 4: {
      const length = random.pick([0, 1, value.length - 1, value.length + 1, value.length * 2, VALUE_BYTES_MAX]);
      const other = new Uint8Array(Math.min(VALUE_BYTES_MAX, Math.max(0, length)));
      other.set(value.subarray(0, other.length));
      return { ...row, value: other };
    }
    case 5:
      return random.chance(0.5) ? { ...row, inode: random.pick(FAR) } : { ...row, offset: random.pick(FAR) };
    case 6: {
      const { inode, offset } = random.pick(rows);
      return random.chance(0.5) ? { ...row, inode } : { ...row, offset };
    }
    default:
      return random.chance(0.7)
        ? { ...row, table: random.below(TABLE_COUNT) }
        : { ...row, level: random.below(3), snapshot: random.pick([0, 1, SNAPSHOT_ROOT]) };
  }
}

function put(updates: UpdateBuffer, { table, level, inode, offset, snapshot, value }: Row): void {
  const words = new Int32Array(Math.ceil(value.length / 4));
  new Uint8Array(words.buffer).set(value);
  updates.put(table, level, inode, offset, snapshot, words, 0, value.length);
}

/** An entry that verifies, as the next one of the journal. */
function hostileEntry(random: Prng, { rows, last }: Specimen, uuid: Uint8Array, blockBytes: number): Uint8Array {
  const updates = new UpdateBuffer(UPDATE_BYTES_MAX);
  for (let count = 1 + random.below(12); count > 0; count--) {
    const row = random.pick(rows);
    if (updates.remainingWords < 2 * UPDATE_HEAD_WORDS + VALUE_BYTES_MAX / 4) break;
    if (random.chance(0.15)) updates.remove(row.table, row.level, row.inode, row.offset, row.snapshot);
    else put(updates, deranged(random, row, rows));
  }
  const strange = (root: EntryRoot): EntryRoot =>
    random.chance(0.5) ? { ...root, level: random.below(4) } : { ...root, pointer: random.pick(last.roots).pointer };
  const head: EntryHead = {
    sequence: last.sequence + 1,
    epoch: last.epoch + random.pick([0, 1, 1, 1]),
    epochStart: last.sequence + 1,
    flushedSequence: last.sequence,
    oldestNeeded: random.chance(0.9) ? last.sequence + 1 : last.oldestNeeded,
    clean: random.chance(0.2),
    previous: last.checksum,
    roots: random.chance(0.1) ? last.roots.map((root) => (random.chance(0.3) ? strange(root) : root)) : last.roots,
    refs: [],
  };
  return encodeEntry(head, updates, uuid, blockBytes);
}

/** A typed failure is an answer; one that carries a stack was thrown by what broke. */
const isBroken = (failure: unknown): boolean => /\n\s+at /u.test(JSON.stringify(failure).replaceAll("\\n", "\n"));

/** Looks at everything that can be reached, a bounded share of each, and changes a little. */
class Prowl {
  broken: string | undefined;
  private readonly fs: Filesystem;
  private readonly random: Prng;
  private readonly readOnly: boolean;

  constructor(fs: Filesystem, random: Prng, readOnly: boolean) {
    this.fs = fs;
    this.random = random;
    this.readOnly = readOnly;
  }

  private attempt<A>(what: string, operation: Effect.Effect<A, unknown>): Effect.Effect<A | undefined> {
    return Effect.catch(operation, (error) => {
      if (isBroken(error)) this.broken ??= `${what}: ${(error as FsError).detail ?? JSON.stringify(error)}`;
      return Effect.succeed(undefined);
    });
  }

  get all(): Effect.Effect<void> {
    const self = this;
    return Effect.gen(function* () {
      const seen = new Set([ROOT_INODE]);
      for (const inode of seen) {
        if (seen.size > 200 || self.broken !== undefined) break;
        const entries = (yield* self.attempt(`readdir ${inode}`, self.fs.readdir(inode, 0, 64))) ?? [];
        for (const { inode: next } of entries) seen.add(next);
      }
      for (const inode of seen) yield* self.inode(inode);
      yield* self.attempt("statfs", self.fs.statfs);
      if (!self.readOnly) yield* self.changes([...seen]);
    });
  }

  private inode(inode: number): Effect.Effect<void> {
    const self = this;
    const { fs } = this;
    return Effect.gen(function* () {
      const attributes = yield* self.attempt(`getattr ${inode}`, fs.getattr(inode));
      if (attributes === undefined) return;
      for (const name of (yield* self.attempt(`listxattr ${inode}`, fs.listxattr(inode))) ?? []) {
        yield* self.attempt(`getxattr ${inode}`, fs.getxattr(inode, name));
      }
      yield* self.attempt(`readlink ${inode}`, fs.readlink(inode));
      yield* self.attempt(`parentOf ${inode}`, fs.parentOf(inode));
      for (const at of [0, attributes.sizeBytes - 70_000, attributes.sizeBytes / 2, 2 ** 52]) {
        yield* self.attempt(`read ${inode}`, fs.read(inode, Math.max(0, Math.floor(at)), 100_000));
        yield* self.attempt(`seek ${inode}`, fs.seek(inode, Math.max(0, Math.floor(at)), "data"));
        yield* self.attempt(`seek ${inode}`, fs.seek(inode, Math.max(0, Math.floor(at)), "hole"));
      }
    });
  }

  private changes(inodes: ReadonlyArray<number>): Effect.Effect<void> {
    const self = this;
    const { fs, random } = this;
    const bytes = new Uint8Array(9000).fill(7);
    return Effect.gen(function* () {
      for (let count = 0; count < 12; count++) {
        const inode = random.pick(inodes);
        const name = Uint8Array.of(97 + random.below(4));
        const operations: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown>]> = [
          ["write", fs.write(inode, random.pick([0, 5000, 100_000]), bytes)],
          ["truncate", fs.setattr(inode, { sizeBytes: random.pick([0, 100, 50_000]) })],
          ["create", fs.mknod(inode, name, FileType.regular | 0o644, 0, OWNER)],
          ["unlink", fs.unlink(inode, name)],
          ["rename", fs.rename(inode, name, random.pick(inodes), name, "replace")],
          ["punch", fs.fallocate(inode, "punch", 0, 8192, true)],
          ["setxattr", fs.setxattr(inode, name, bytes, "set")],
          ["fsync", fs.fsync(inode)],
        ];
        const [what, operation] = random.pick(operations);
        yield* self.attempt(`${what} ${inode}`, operation);
      }
      yield* self.attempt("syncfs", fs.syncfs);
    });
  }
}

function visit(disk: SimDisk, random: Prng, options: OpenOptions): Effect.Effect<string | undefined, never> {
  const readOnly = random.chance(0.4);
  const visited = Effect.scoped(
    Effect.gen(function* () {
      const opened = yield* openPool([disk], { ...options, readOnly });
      const prowl = new Prowl(opened.filesystem, random, readOnly);
      yield* prowl.all;
      const failure = opened.runtime.supervisor.failure;
      if (failure !== undefined && isBroken(failure)) return failure.detail;
      if (prowl.broken !== undefined) return prowl.broken;
      yield* opened.check();
      if (random.chance(0.5)) yield* opened.close;
      return undefined;
    }),
  );
  return Effect.catch(visited, (error) => Effect.succeed(isBroken(error) ? JSON.stringify(error) : undefined));
}

function openHostileImages({ disk, random, open, fail }: Epilogue): Effect.Effect<void, unknown> {
  return Effect.gen(function* () {
    const { specimen, uuid, blockBytes } = yield* Effect.scoped(
      Effect.gen(function* () {
        const opened = yield* open({ readOnly: true });
        const { uuid: id, blockBytes: bytes } = opened.superblock;
        return { specimen: yield* specimenOf(opened), uuid: id, blockBytes: bytes };
      }),
    );
    for (let image = 0; image < IMAGES; image++) {
      const entry = hostileEntry(random, specimen, uuid, blockBytes);
      if (entry.length > specimen.roomBytes) return;
      const seed = random.u32();
      const hostile = SimDisk.fromImage(disk.crash(survivesAll), { name: "disk0", seed, statistics: false });
      yield* hostile.write(specimen.endBytes, entry);
      yield* hostile.flush;
      const broken = yield* visit(hostile, random, {});
      if (broken !== undefined) return yield* fail(`image ${image}: ${broken}`);
    }
  });
}

const hostileImages: Story = {
  name: "hostile-images",
  summary: "a journal entry with right checksums says absurd things; nothing hangs or breaks, errors are typed",
  plan: (entropy, medium) => ({
    ...pool(entropy, medium),
    tolerance: STRICT,
    clients: [randomProgram(swarm(GENERAL, entropy.stream("clients"), 0.1), 60)],
    crash: { ...CRASHES, statesMax: 3 },
    epilogue: openHostileImages,
  }),
};

export const hostileStories: ReadonlyArray<Story> = [hostileImages];
