/**
 * Stories of images that somebody has made to harm: every checksum is right, and what it covers is not.
 *
 * Behind a cleanly closed journal one more entry is put, linked and sealed as the engine would, with rows that were
 * turned upside down: values with extreme numbers, keys of other rows, lengths that fit nothing, pointers to anywhere.
 * Whoever opens such a pool may be refused and may read nonsense; the engine must neither hang, nor break an invariant
 * of its own, nor fail in any way but by a typed error. So it is with superblocks that lie. Nothing else can be asked, since the image is what it says.
 */
import * as Effect from "effect/Effect";
import { SimDisk } from "../devices/sim/disk.ts";
import { survivesAll } from "../devices/sim/survival.ts";
import { defaultBucketBytes } from "../engine/device/bucket-io.ts";
import { hasMagic } from "../engine/format/codec.ts";
import { SUPERBLOCK_BYTES_MAX } from "../engine/format/superblock.ts";
import type { FsError } from "../engine/fs/types.ts";
import { FileType, type Filesystem, ROOT_INODE } from "../engine/fs/types.ts";
import { openPool, type OpenOptions } from "../engine/pool/pool.ts";
import { lengthAt, lie } from "../harness/corruption/lie.ts";
import type { Prng } from "../harness/entropy.ts";
import { hostileEntry, isBroken, journalledRows } from "../harness/hostile-entry.ts";
import type { Epilogue } from "../harness/scenario.ts";
import { GENERAL, swarm } from "../harness/workload/profile.ts";
import { randomProgram } from "../harness/workload/program.ts";
import { CRASHES, pool, STRICT, type Story } from "./pools.ts";

/** Images made from one pool. */
const IMAGES = 12;
const SUPERBLOCK_IMAGES = 4;
const OWNER = { uid: 0, gid: 0 };

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
        return { specimen: yield* journalledRows(opened), uuid: id, blockBytes: bytes };
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
    const broken = yield* visitLyingSuperblocks(disk, random);
    if (broken !== undefined) return yield* fail(broken);
  });
}

/** Superblocks that say what cannot be; says what broke. Zones cannot be written over. */
function visitLyingSuperblocks(disk: SimDisk, random: Prng): Effect.Effect<string | undefined, unknown> {
  return Effect.gen(function* () {
    const { zones, capacityBytes } = disk.geometry;
    if (zones !== undefined) return undefined;
    for (let image = 0; image < SUPERBLOCK_IMAGES; image++) {
      const seed = random.u32();
      const hostile = SimDisk.fromImage(disk.crash(survivesAll), { name: "disk0", seed, statistics: false });
      for (const start of [0, defaultBucketBytes(capacityBytes)]) {
        const bytes = (yield* hostile.read(start, SUPERBLOCK_BYTES_MAX)).slice();
        const lengthBytes = lengthAt(bytes, 0);
        if (!hasMagic(bytes, 0) || lengthBytes > bytes.length) continue;
        lie(random, bytes, 0, lengthBytes);
        yield* hostile.write(start, bytes);
      }
      yield* hostile.flush;
      const broken = yield* visit(hostile, random, {});
      if (broken !== undefined) return `superblock ${image}: ${broken}`;
    }
    return undefined;
  });
}

const hostileImages: Story = {
  name: "hostile-images",
  summary:
    "a journal entry or superblock with right checksums says absurd things; nothing hangs or breaks, errors are typed",
  plan: (entropy, medium) => ({
    ...pool(entropy, medium),
    tolerance: STRICT,
    clients: [randomProgram(swarm(GENERAL, entropy.stream("clients"), 0.1), 60)],
    crash: { ...CRASHES, statesMax: 3 },
    epilogue: openHostileImages,
  }),
};

export const hostileStories: ReadonlyArray<Story> = [hostileImages];
