import { describe, expect, test } from "vitest";
import * as Effect from "effect/Effect";
import type { Device } from "../../devices/device.ts";
import { makeMemoryDevice } from "../../devices/memory.ts";
import type { Transaction } from "../btree/transaction.ts";
import { SNAPSHOT_ROOT, Table } from "../format/tables.ts";
import { ALLOC_BYTES, decodeAlloc, encodeAlloc } from "../format/values/alloc.ts";
import { BACKPOINTER_BYTES, encodeBackpointer } from "../format/values/backpointer.ts";
import { COUNTER_BYTES, Counter, encodeCounter } from "../format/values/counter.ts";
import { decodeDirent, type Dirent, direntBytes, encodeDirent } from "../format/values/dirent.ts";
import { type DataExtent, decodeExtent, encodeExtent, extentBytes, type ExtentValue } from "../format/values/extent.ts";
import { decodeInode, encodeInode, INODE_BYTES, type InodeValue } from "../format/values/inode.ts";
import { encodeOrphan, ORPHAN_BYTES } from "../format/values/orphan.ts";
import { FileType, type Filesystem, ROOT_INODE } from "../fs/types.ts";
import { checkPool, checkRuntime } from "../pool/check-pool.ts";
import { formatPool, openPool, type Pool } from "../pool/pool.ts";

const owner = { uid: 0, gid: 0 };
const name = (text: string): Uint8Array => new TextEncoder().encode(text);
const noise = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => Math.imul(index + 1, 2654435761 + seed * 97) >>> 23);

interface Inhabitants {
  readonly file: number;
  readonly directory: number;
  readonly symlink: number;
  readonly fifo: number;
}

/** A bit of everything that the tables can hold. */
const populate = (fs: Filesystem) =>
  Effect.gen(function* () {
    const directory = (yield* fs.mkdir(ROOT_INODE, name("directory"), 0o755, owner)).inode;
    yield* fs.mkdir(directory, name("inner"), 0o755, owner);
    const file = (yield* fs.mknod(directory, name("file"), 0o100644, 0, owner)).inode;
    yield* fs.write(file, 0, noise(400_000, 1));
    yield* fs.fsync(file);
    yield* fs.write(file, 100_000, noise(5000, 2));
    yield* fs.fallocate(file, "allocate", 390_000, 50_000, true);
    yield* fs.link(file, ROOT_INODE, name("second name"));
    yield* fs.setxattr(file, name("user.big"), noise(9000, 3), "set");
    yield* fs.setxattr(file, name("user.small"), noise(9, 3), "set");
    const symlink = (yield* fs.symlink(ROOT_INODE, name("link"), name("directory/file"), owner)).inode;
    const fifo = (yield* fs.mknod(ROOT_INODE, name("fifo"), FileType.fifo | 0o600, 0, owner)).inode;
    for (let index = 0; index < 300; index++) {
      const small = yield* fs.mknod(directory, name(`small ${index}`), 0o100644, 0, owner);
      yield* fs.write(small.inode, 0, noise(index * 20, index));
    }
    yield* fs.syncfs;
    return { file, directory, symlink, fifo };
  });

const device = (): Device => makeMemoryDevice({ name: "memory", capacityBytes: 32 * 1024 * 1024 });
const quiet = { commitIntervalMs: 0, writebackIntervalMs: 0 };

/** A populated pool, handed to `use` while it is open. */
const withPool = <A, E>(disk: Device, use: (pool: Pool, there: Inhabitants) => Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        yield* formatPool([disk], { uuid: noise(16, 9) });
        const pool = yield* openPool([disk], quiet);
        const there = yield* populate(pool.filesystem);
        return yield* use(pool, there);
      }),
    ),
  );

function changeInode(tx: Transaction, inode: number, change: (value: InodeValue) => InodeValue): void {
  tx.find(Table.inodes, inode, 0, SNAPSHOT_ROOT);
  const value = change(decodeInode(tx.view, tx.at, tx.length));
  tx.put(Table.inodes, inode, 0, SNAPSHOT_ROOT, INODE_BYTES);
  encodeInode(tx.out, tx.outAt, value);
}

/** The row of names that has the name, and the names. */
function changeNames(
  tx: Transaction,
  directory: number,
  text: string,
  change: (entry: Dirent) => Dirent | undefined,
): void {
  const scan = tx.scan(Table.dirents, directory, 0, 0);
  while (scan.next()) {
    const names = decodeDirent(scan.view, scan.at, scan.length);
    if (!names.some((entry) => new TextDecoder().decode(entry.name) === text)) continue;
    const changed = names
      .map((entry) => (new TextDecoder().decode(entry.name) === text ? change(entry) : entry))
      .filter((entry) => entry !== undefined);
    if (changed.length === 0) return tx.remove(Table.dirents, scan.inode, scan.offset, SNAPSHOT_ROOT);
    const { inode, offset } = scan;
    tx.put(Table.dirents, inode, offset, SNAPSHOT_ROOT, direntBytes(changed));
    return encodeDirent(tx.out, tx.outAt, changed);
  }
}

function putExtent(tx: Transaction, inode: number, end: number, extent: ExtentValue): void {
  tx.put(Table.extents, inode, end, SNAPSHOT_ROOT, extentBytes(extent));
  encodeExtent(tx.out, tx.outAt, extent);
}

function firstExtent(tx: Transaction, inode: number): { readonly end: number; readonly extent: DataExtent } {
  const scan = tx.scan(Table.extents, inode, 0, 0);
  scan.next();
  const extent = decodeExtent(scan.view, scan.at, scan.length);
  if (extent.kind !== "data") throw new Error("the first extent is not one of data");
  return { end: scan.offset, extent };
}

/** Each kind of damage, and what the check must say of it. */
const damages: ReadonlyArray<readonly [string, string, RegExp, (tx: Transaction, there: Inhabitants) => void]> = [
  [
    "an inode of no known type",
    "inodes",
    /no known type/,
    (tx, { file }) => changeInode(tx, file, (v) => ({ ...v, mode: 0o644 })),
  ],
  [
    "a device number on a file",
    "inodes",
    /no device node/,
    (tx, { file }) => changeInode(tx, file, (v) => ({ ...v, rdev: 7 })),
  ],
  [
    "a fifo with a compression of its own",
    "inodes",
    /compression 1, but it has no data/,
    (tx, { fifo }) => changeInode(tx, fifo, (v) => ({ ...v, compression: 1 })),
  ],
  [
    "a fifo with a size",
    "inodes",
    /special file of 5/,
    (tx, { fifo }) => changeInode(tx, fifo, (v) => ({ ...v, sizeBytes: 5 })),
  ],
  [
    "a lost root",
    "inodes",
    /root directory does not exist/,
    (tx) => tx.remove(Table.inodes, ROOT_INODE, 0, SNAPSHOT_ROOT),
  ],
  [
    "a malformed inode",
    "inodes",
    /inode value of 3 bytes/,
    (tx, { fifo }) => tx.put(Table.inodes, fifo, 0, SNAPSHOT_ROOT, 3),
  ],
  [
    "an inode without a name",
    "links",
    /1 links and no name/,
    (tx) => changeNames(tx, ROOT_INODE, "fifo", () => undefined),
  ],
  [
    "a wrong link count",
    "links",
    /says 7 links and has 2/,
    (tx, { file }) => changeInode(tx, file, (v) => ({ ...v, links: 7 })),
  ],
  [
    "a wrong link count of a directory",
    "links",
    /says 9 links and has 3/,
    (tx, { directory }) => changeInode(tx, directory, (v) => ({ ...v, links: 9 })),
  ],
  [
    "a wrong size of a directory",
    "links",
    /says 1 entries and has 302/,
    (tx, { directory }) => changeInode(tx, directory, (v) => ({ ...v, sizeBytes: 1 })),
  ],
  [
    "a name of nothing",
    "directories",
    /"fifo".*does not exist/,
    (tx) => changeNames(tx, ROOT_INODE, "fifo", (e) => ({ ...e, inode: 99_999 })),
  ],
  [
    "a name of the wrong type",
    "directories",
    /"fifo".*says type/,
    (tx) => changeNames(tx, ROOT_INODE, "fifo", (e) => ({ ...e, type: FileType.regular })),
  ],
  [
    "a name at the wrong hash",
    "directories",
    /not where its hash says/,
    (tx) => changeNames(tx, ROOT_INODE, "fifo", (e) => ({ ...e, name: name("other") })),
  ],
  [
    "a name with a slash",
    "directories",
    /byte that no name has/,
    (tx) => changeNames(tx, ROOT_INODE, "fifo", (e) => ({ ...e, name: name("a/b") })),
  ],
  [
    "names in what is no directory",
    "directories",
    /is no directory/,
    (tx, { directory }) => changeInode(tx, directory, (v) => ({ ...v, mode: 0o100644, parent: 0 })),
  ],
  [
    "a wrong parent",
    "directories",
    /says that its parent is/,
    (tx, { directory, fifo }) => changeInode(tx, directory, (v) => ({ ...v, parent: fifo })),
  ],
  [
    "a directory above itself",
    "links",
    /above itself/,
    (tx, { directory }) => changeInode(tx, directory, (v) => ({ ...v, parent: directory })),
  ],
  [
    "an orphan with links",
    "orphans",
    /has 2 links/,
    (tx, { file }) => {
      tx.put(Table.orphans, file, 0, SNAPSHOT_ROOT, ORPHAN_BYTES);
      encodeOrphan(tx.out, tx.outAt, { kind: 1 });
    },
  ],
  [
    "an orphan without an inode",
    "orphans",
    /has no inode/,
    (tx) => {
      tx.put(Table.orphans, 99_999, 0, SNAPSHOT_ROOT, ORPHAN_BYTES);
      encodeOrphan(tx.out, tx.outAt, { kind: 1 });
    },
  ],
  [
    "no links and no orphan",
    "orphans",
    /no links and is no orphan/,
    (tx, { fifo }) => changeInode(tx, fifo, (v) => ({ ...v, links: 0 })),
  ],
  [
    "extents of no inode",
    "extents",
    /does not exist/,
    (tx) => putExtent(tx, 99_999, 10, { kind: "inline", bytes: noise(10, 1) }),
  ],
  [
    "an extent of a directory",
    "extents",
    /is no file/,
    (tx, { directory }) => putExtent(tx, directory, 10, { kind: "inline", bytes: noise(10, 1) }),
  ],
  [
    "overlapping extents",
    "extents",
    /before the end of the one before/,
    (tx, { file }) => {
      const { end } = firstExtent(tx, file);
      putExtent(tx, file, end + 5, { kind: "inline", bytes: noise(10, 1) });
    },
  ],
  [
    "data behind the end of the file",
    "extents",
    /behind the end of the file/,
    (tx, { file }) => putExtent(tx, file, 2_000_000, { kind: "inline", bytes: noise(10, 1) }),
  ],
  [
    "a wrong count of allocated bytes",
    "extents",
    /says 1 bytes allocated/,
    (tx, { file }) => changeInode(tx, file, (v) => ({ ...v, allocatedBytes: 1 })),
  ],
  [
    "a lost target of a symbolic link",
    "extents",
    /14 bytes, 0 are there/,
    (tx, { symlink }) => tx.remove(Table.extents, symlink, 14, SNAPSHOT_ROOT),
  ],
  [
    "an extent in a journal bucket",
    "extents",
    /superblock or the journal/,
    (tx, { file }) => {
      const { end, extent } = firstExtent(tx, file);
      putExtent(tx, file, end, { ...extent, pointers: [{ device: 0, generation: 0, addressBytes: 3 * 131_072 }] });
    },
  ],
  [
    "a wrong generation",
    "allocation",
    /its extents are of/,
    (tx, { file }) => {
      const { extent } = firstExtent(tx, file);
      changeAlloc(tx, extent, (row) => ({ ...row, generation: row.generation + 1 }));
    },
  ],
  [
    "a wrong count of live bytes",
    "allocation",
    /live bytes, its extents keep/,
    (tx, { file }) => {
      const { extent } = firstExtent(tx, file);
      changeAlloc(tx, extent, (row) => ({ ...row, liveBytes: row.liveBytes - 1 }));
    },
  ],
  [
    "a lost alloc row",
    "allocation",
    /has no alloc row/,
    (tx, { file }) => {
      const { extent } = firstExtent(tx, file);
      tx.remove(Table.alloc, 0, bucketOf(extent), 0);
    },
  ],
  [
    "a lost backpointer",
    "backpointers",
    /has no backpointer/,
    (tx, { file }) => {
      const { extent } = firstExtent(tx, file);
      tx.remove(Table.backpointers, 0, extent.pointers[0]!.addressBytes, extent.rawOffset);
    },
  ],
  [
    "a backpointer to nothing",
    "backpointers",
    /does not exist/,
    (tx) => {
      tx.put(Table.backpointers, 0, 20_000_000, 0, BACKPOINTER_BYTES);
      encodeBackpointer(tx.out, tx.outAt, { table: Table.extents, inode: 99_999, offset: 1, snapshot: SNAPSHOT_ROOT });
    },
  ],
  [
    "a backpointer to a row that points elsewhere",
    "backpointers",
    /does not point back/,
    (tx, { file }) => {
      const { end } = firstExtent(tx, file);
      tx.put(Table.backpointers, 0, 20_000_000, 0, BACKPOINTER_BYTES);
      encodeBackpointer(tx.out, tx.outAt, { table: Table.extents, inode: file, offset: end, snapshot: SNAPSHOT_ROOT });
    },
  ],
  [
    "extents that overlap on the device",
    "backpointers",
    /overlaps what is at/,
    (tx, { file }) => {
      const { end, extent } = firstExtent(tx, file);
      const [pointer] = extent.pointers;
      putExtent(tx, file, end, { ...extent, pointers: [{ ...pointer!, addressBytes: pointer!.addressBytes + 64 }] });
    },
  ],
  [
    "a wrong counter of inodes",
    "counters",
    /inodes says 5/,
    (tx) => {
      tx.put(Table.accounting, Counter.inodes, 0, SNAPSHOT_ROOT, COUNTER_BYTES);
      encodeCounter(tx.out, tx.outAt, 5);
    },
  ],
  [
    "a lost piece of an attribute",
    "xattrs",
    /lacks .* bytes|without the one before/,
    (tx, { file }) => tx.remove(Table.xattrs, file, 1, SNAPSHOT_ROOT),
  ],
  [
    "a lost head of an attribute",
    "xattrs",
    /without the one before/,
    (tx, { file }) => tx.remove(Table.xattrs, file, 0, SNAPSHOT_ROOT),
  ],
  ["attributes of no inode", "xattrs", /does not exist/, (tx) => tx.put(Table.xattrs, 99_999, 0, SNAPSHOT_ROOT, 20)],
  [
    "an inode number that may be handed out again",
    "inodes",
    /is the next to be handed out/,
    (tx) => {
      tx.put(Table.subvolumes, ROOT_INODE, 0, SNAPSHOT_ROOT, COUNTER_BYTES);
      encodeCounter(tx.out, tx.outAt, 3);
    },
  ],
  ["rows in a table that is not used", "tables", /reflinks is not used/, (tx) => tx.put(Table.reflinks, 0, 0, 0, 4)],
];

const bucketOf = (extent: DataExtent): number => Math.floor(extent.pointers[0]!.addressBytes / 131_072);

function changeAlloc(
  tx: Transaction,
  extent: DataExtent,
  change: (row: ReturnType<typeof decodeAlloc>) => ReturnType<typeof decodeAlloc>,
): void {
  const bucket = bucketOf(extent);
  tx.find(Table.alloc, 0, bucket, 0);
  const row = change(decodeAlloc(tx.view, tx.at, tx.length));
  tx.put(Table.alloc, 0, bucket, 0, ALLOC_BYTES);
  encodeAlloc(tx.out, tx.outAt, row);
}

describe("a check", () => {
  test("finds nothing in a sound pool, neither open nor closed nor crashed", async () => {
    const disk = device();
    const reports = await withPool(disk, ({ runtime }) =>
      Effect.gen(function* () {
        const open = yield* checkRuntime(runtime, { data: true });
        // What a crash would leave: the journal as it stands, and no close.
        const crashed = yield* checkPool([disk], { data: true });
        return [open, crashed];
      }),
    );
    for (const report of reports) expect(report.problems).toEqual([]);
    expect(reports[0]!.counts).toMatchObject({ inodes: 306, names: 306, xattrs: 2, superblocks: 1 });
    expect(reports[1]!.counts["data bytes read"]).toBeGreaterThan(400_000);
    const closed = device();
    await withPool(closed, (pool) => pool.close);
    expect(await Effect.runPromise(checkPool([closed], { data: true }))).toMatchObject({ problems: [] });
  });

  test.each(damages)("finds %s", async (_what, pass, message, damage) => {
    const report = await withPool(device(), ({ runtime }, there) =>
      Effect.gen(function* () {
        yield* runtime.btree.transact<void, never>((tx) => damage(tx, there));
        return yield* checkRuntime(runtime);
      }),
    );
    const said = report.problems.map((problem) => `${problem.pass}: ${problem.what}`);
    expect(
      said.some((line) => line.startsWith(`${pass}: `) && message.test(line)),
      said.join("\n"),
    ).toBe(true);
  });

  test("finds rotten data when asked to read it, and only then", async () => {
    const disk = device();
    const at = await withPool(disk, (pool, { file }) =>
      Effect.gen(function* () {
        const place = yield* pool.runtime.btree.transact<number, never>(
          (tx) => firstExtent(tx, file).extent.pointers[0]!.addressBytes,
        );
        yield* pool.close;
        return place;
      }),
    );
    const block = at - (at % 4096);
    const bytes = (await Effect.runPromise(disk.read(block, 4096))).slice();
    bytes[at - block] = bytes[at - block]! ^ 1;
    await Effect.runPromise(disk.write(block, bytes));
    expect(await Effect.runPromise(checkPool([disk]))).toMatchObject({ problems: [] });
    const { problems } = await Effect.runPromise(checkPool([disk], { data: true }));
    expect(new Set(problems.map(({ pass }) => pass))).toEqual(new Set(["data"]));
    expect(problems[0]!.what).toContain("does not verify");
  });

  test("finds a btree node that cannot be read, and says that the tables were not checked", async () => {
    const disk = device();
    const at = await withPool(disk, (pool) =>
      Effect.gen(function* () {
        yield* pool.close;
        return pool.runtime.trees.tree(Table.dirents).root.pointer!.records[0]!.addressBytes;
      }),
    );
    const block = at - (at % 4096);
    const bytes = (await Effect.runPromise(disk.read(block, 4096))).slice();
    bytes[at - block + 100] = bytes[at - block + 100]! ^ 1;
    await Effect.runPromise(disk.write(block, bytes));
    const { problems } = await Effect.runPromise(checkPool([disk]));
    expect(problems.map(({ pass }) => pass)).toContain("btrees");
    expect(problems.some(({ what }) => what.includes("were not checked"))).toBe(true);
  });

  test("says of what is no pool that it is none", async () => {
    const exit = await Effect.runPromise(Effect.result(checkPool([device()])));
    expect(exit).toMatchObject({ _tag: "Failure", failure: { _tag: "NotAPool" } });
  });

  test("keeps a limited number of problems and counts the others", async () => {
    const report = await withPool(device(), ({ runtime }, { directory }) =>
      Effect.gen(function* () {
        yield* runtime.btree.transact<void, never>((tx) => tx.remove(Table.inodes, directory, 0, SNAPSHOT_ROOT));
        return yield* checkRuntime(runtime);
      }),
    );
    expect(report.problems.filter(({ pass }) => pass === "directories")).toHaveLength(200);
    expect(report.unlisted).toBeGreaterThan(100);
  });
});
