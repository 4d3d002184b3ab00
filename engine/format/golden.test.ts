/**
 * The bytes on disk, as they were when the format was fixed. A change here is a change of the format: raise the version.
 * VARVE_UPDATE_GOLDEN=1 writes the fixture anew.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Leaf } from "../btree/leaf.ts";
import * as codec from "./codec.ts";
import { checksumOfRecord } from "./codec.ts";
import * as entries from "./journal-entry.ts";
import * as nodes from "./node.ts";
import * as pointers from "./pointer.ts";
import * as superblocks from "./superblock.ts";
import * as tables from "./tables.ts";
import * as alloc from "./values/alloc.ts";
import * as backpointer from "./values/backpointer.ts";
import * as counter from "./values/counter.ts";
import * as dirent from "./values/dirent.ts";
import * as extent from "./values/extent.ts";
import * as inode from "./values/inode.ts";
import * as loggedOperation from "./values/logged-operation.ts";
import * as orphan from "./values/orphan.ts";
import * as xattr from "./values/xattr.ts";

const fixture = new URL("./golden.txt", import.meta.url);
const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const freshLeaf = () => new Leaf();
const uuid = Uint8Array.from({ length: 16 }, (_, k) => 0xa0 + k);
const head = { table: 0, level: 0, low: { inode: 1, offset: 2 ** 33, snapshot: tables.SNAPSHOT_ROOT } };

const pointer: pointers.NodePointer = {
  records: [
    { device: 1, addressBytes: 2 ** 33 + 17, lengthBytes: 5000, generation: 3, checksum: 0x0123_4567_89ab_cdefn },
    { device: 2, addressBytes: 4096, lengthBytes: 300, generation: 4, checksum: 0xffff_ffff_ffff_fffen },
  ],
};

const superblock: superblocks.Superblock = {
  uuid,
  version: 4,
  label: "höhle",
  sequence: 7,
  bucketBytes: 1 << 20,
  blockBytes: 4096,
  members: [
    { uuid: uuid.map((b) => b ^ 255), capacityBytes: 2 ** 40, buckets: 2 ** 20, state: 1, label: "ssd0" },
    { uuid, capacityBytes: 2 ** 41, buckets: 2 ** 21, state: 4, label: "" },
  ],
  deviceIndex: 1,
  journalBuckets: [
    { device: 0, bucket: 2 },
    { device: 0, bucket: 70_000 },
  ],
  journalEnd: { sequence: 2 ** 40 + 3, epoch: 9 },
  directoryHashBits: 48,
  hashSeed: [0xdead_beef, 1],
  compression: 1,
  createdAtSeconds: 1_700_000_000,
};

function journalEntry(): Uint8Array {
  const updates = new entries.UpdateBuffer(4096);
  updates.put(1, 0, 2 ** 40 + 1, 16, 0xffff_ffff, Int32Array.of(0x0403_0201, -1), 0, 5);
  updates.remove(3, 2, 5, 2 ** 53 - 1, 0xffff_ffff);
  const entryHead: entries.EntryHead = {
    sequence: 99,
    epoch: 4,
    epochStart: 90,
    flushedSequence: 98,
    oldestNeeded: 80,
    clean: true,
    previous: 0x0102_0304_0506_0708n,
    roots: [{ table: 3, level: 2, pointer }],
    refs: [{ device: 1, addressBytes: 12_345, lengthBytes: 678, checksum: 0x1122_3344_5566_7788n }],
  };
  const bytes = entries.entryBytes(entryHead, updates);
  return entries.encodeEntry(entryHead, updates, uuid, 512).slice(0, bytes);
}

/** Values whose words are bytes counting up from `from`. */
const counting = (from: number, length: number): Int32Array => {
  const words = new Int32Array((length + 3) >> 2);
  const bytes = new Uint8Array(words.buffer);
  for (let k = 0; k < bytes.length; k++) bytes[k] = from + k;
  return words;
};

function nodeRecords(): { image: Uint8Array; delta: Uint8Array; large: Uint8Array } {
  const leaf = new Leaf();
  leaf.put(1, 2 ** 33, 0xffff_ffff, counting(0x10, 5), 0, 5);
  leaf.put(1, 2 ** 33 + 300, 0xffff_ffff, counting(0x20, 5), 0, 5);
  leaf.put(2 ** 40, 16, 0xffff_ffff, counting(0x30, 5), 0, 5);
  const image = nodes.encodeNodeImage(leaf, head, uuid, 11);
  leaf.put(7, 8, 1, counting(0x40, 3), 0, 3);
  leaf.del(1, 2 ** 33, 0xffff_ffff);
  leaf.put(1, 2 ** 33 + 300, 0xffff_ffff, counting(0x50, 6), 0, 6);
  const delta = nodes.encodeNodeDelta(leaf, head, uuid, 12);
  leaf.free();
  const many = new Leaf();
  for (let k = 0; k < 60; k++) many.put(k, 0, 5, counting(k, 16), 0, 16);
  const large = nodes.encodeNodeImage(many, head, uuid, 13);
  many.free();
  return { image, delta, large };
}

function value<A>(bytes: number, encode: (view: DataView, at: number, value: A) => void, sample: A): Uint8Array {
  const data = new Uint8Array(bytes);
  encode(new DataView(data.buffer), 0, sample);
  return data;
}

const time = (seconds: number) => ({ seconds, nanoseconds: 123_456_789 });
const anInode: inode.InodeValue = {
  mode: 0o100644,
  links: 2,
  uid: 1000,
  gid: 100,
  rdev: 0x0103,
  compression: 0x0902,
  generation: 5,
  sizeBytes: 2 ** 45 + 3,
  allocatedBytes: 8192,
  parent: 1,
  accessed: time(1_700_000_000),
  modified: time(-1),
  changed: time(2 ** 34),
  born: time(0),
};
const names: dirent.DirentValue = [
  { inode: 300, type: 0o100000, slot: 0, name: text("a file") },
  { inode: 2 ** 50, type: 0o040000, slot: 15, name: text("verzeichnis") },
];
const head1 = { totalValueBytes: 5000, name: text("user.color"), bytes: text("blue") };
const dataExtent: extent.ExtentValue = {
  kind: "data",
  lengthBytes: 4096,
  compression: 1,
  storedBytes: 40_000,
  rawBytes: 131_072,
  rawOffset: 8192,
  checksum: 0xfedc_ba98_7654_3210n,
  pointers: [
    { device: 0, generation: 9, addressBytes: 2 ** 35 + 1 },
    { device: 3, generation: 1, addressBytes: 77 },
  ],
};
const inline: extent.ExtentValue = { kind: "inline", bytes: text("../target") };
const unwritten: extent.ExtentValue = { kind: "unwritten", lengthBytes: 2 ** 33, reservedBytes: 2 ** 33 };
const operation = { kind: 2, inode: 77, fromBytes: 2 ** 40, toBytes: 2 ** 53 - 1 };
const back = { table: 3, inode: 9, offset: 2 ** 37, snapshot: 0xffff_ffff };

const records = nodeRecords();
const expectNode = (data: Uint8Array) => ({ uuid, checksum: checksumOfRecord(data), table: 0, level: 0 });
/** Opens a record and says whether that worked; leaves are given back. */
const opensImage = (data: Uint8Array, expected: Uint8Array): boolean => {
  const leaf = nodes.decodeNodeImage(data, expectNode(expected), freshLeaf);
  leaf?.free();
  return leaf !== undefined;
};
const opensDelta = (data: Uint8Array, expected: Uint8Array): boolean => {
  const leaf = new Leaf();
  const applied = nodes.applyNodeDelta(leaf, data, expectNode(expected));
  leaf.free();
  return applied;
};

interface Sample {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Is it a record that opens? Undefined for a value, which has no checksum of its own. */
  readonly opens?: (data: Uint8Array) => boolean;
  /** The bytes may depend on the version of zstd; that they can be read must not. */
  readonly compressed?: boolean;
}

const samples: ReadonlyArray<Sample> = [
  {
    name: "superblock",
    bytes: superblocks.encodeSuperblock(superblock),
    opens: (data) => superblocks.decodeSuperblock(data).ok !== undefined,
  },
  {
    name: "journal entry",
    bytes: journalEntry(),
    opens: (data) => entries.decodeEntry(data, 0, uuid) !== undefined,
  },
  { name: "node image", bytes: records.image, opens: (data) => opensImage(data, records.image) },
  { name: "node delta", bytes: records.delta, opens: (data) => opensDelta(data, records.delta) },
  {
    name: "node image, compressed",
    bytes: records.large,
    opens: (data) => opensImage(data, records.large),
    compressed: true,
  },
  { name: "node pointer", bytes: value(pointers.pointerBytes(pointer), pointers.encodePointer, pointer) },
  { name: "inode", bytes: value(inode.INODE_BYTES, inode.encodeInode, anInode) },
  { name: "dirent", bytes: value(dirent.direntBytes(names), dirent.encodeDirent, names) },
  { name: "xattr head", bytes: value(xattr.xattrHeadBytes(head1), xattr.encodeXattrHead, head1) },
  { name: "xattr chunk", bytes: value(4, xattr.encodeXattrChunk, text("more")) },
  { name: "data extent", bytes: value(extent.extentBytes(dataExtent), extent.encodeExtent, dataExtent) },
  { name: "inline extent", bytes: value(extent.extentBytes(inline), extent.encodeExtent, inline) },
  { name: "unwritten extent", bytes: value(extent.extentBytes(unwritten), extent.encodeExtent, unwritten) },
  {
    name: "alloc",
    bytes: value(alloc.ALLOC_BYTES, alloc.encodeAlloc, { generation: 6, bucketClass: 2, liveBytes: 2 ** 34 }),
  },
  { name: "backpointer", bytes: value(backpointer.BACKPOINTER_BYTES, backpointer.encodeBackpointer, back) },
  { name: "counter", bytes: value(counter.COUNTER_BYTES, counter.encodeCounter, 2 ** 52 + 1) },
  { name: "orphan", bytes: value(orphan.ORPHAN_BYTES, orphan.encodeOrphan, { kind: orphan.OrphanKind.unlinked }) },
  {
    name: "logged operation",
    bytes: value(loggedOperation.LOGGED_OPERATION_BYTES, loggedOperation.encodeLoggedOperation, operation),
  },
];

const hexOf = (bytes: Uint8Array): Array<string> => {
  const lines: Array<string> = [];
  for (let at = 0; at < bytes.length; at += 16) {
    lines.push([...bytes.subarray(at, at + 16)].map((byte) => byte.toString(16).padStart(2, "0")).join(" "));
  }
  return lines;
};

const printed = samples.map(({ name, bytes }) => [`# ${name}`, ...hexOf(bytes), ""].join("\n")).join("\n");
if (process.env["VARVE_UPDATE_GOLDEN"] === "1") writeFileSync(fixture, printed);

const golden = new Map<string, Uint8Array>();
for (const block of readFileSync(fixture, "utf8").split("# ").slice(1)) {
  const [name, ...lines] = block.trim().split("\n");
  golden.set(
    name!,
    Uint8Array.from(lines.join(" ").split(" "), (byte) => Number.parseInt(byte, 16)),
  );
}

describe("the bytes on disk", () => {
  test.each(samples.filter((sample) => sample.compressed !== true))("of a $name are the golden ones", (sample) => {
    expect(hexOf(sample.bytes)).toEqual(hexOf(golden.get(sample.name) ?? new Uint8Array(0)));
  });

  test("of a node compressed by another build of zstd still give its rows", () => {
    const data = golden.get("node image, compressed")!;
    const leaf = nodes.decodeNodeImage(data, expectNode(data), freshLeaf)!;
    expect(leaf.n).toBe(60);
    for (let k = 0; k < leaf.n; k++) {
      const at = leaf.valueAt(leaf.refAt(k));
      expect([leaf.inodeAt(k), leaf.bytes[at], leaf.bytes[at + 15]]).toEqual([k, k, k + 15]);
    }
    leaf.free();
  });

  test("of every record are in the fixture, and nothing else", () => {
    expect([...golden.keys()]).toEqual(samples.map(({ name }) => name));
  });
});

describe("a single wrong bit", () => {
  test.each(samples.filter((sample) => sample.opens !== undefined))("anywhere in a $name is noticed", (sample) => {
    const data = sample.bytes.slice();
    expect(sample.opens!(data)).toBe(true);
    for (let bit = 0; bit < data.length * 8; bit++) {
      data[bit >> 3]! ^= 1 << (bit & 7);
      expect(sample.opens!(data), `bit ${bit}`).toBe(false);
      data[bit >> 3]! ^= 1 << (bit & 7);
    }
    for (let length = 0; length < data.length; length++) expect(sample.opens!(data.subarray(0, length))).toBe(false);
  });
});

test("the constants of the format stay what they are", () => {
  expect({
    version: codec.FORMAT_VERSION,
    magic: codec.MAGIC,
    header: codec.RECORD_HEADER_BYTES,
    kinds: codec.Kind,
    tables: tables.Table,
    tableCount: [tables.TABLE_COUNT, tables.TABLES.map(({ id, name }) => `${id} ${name}`)],
    snapshotRoot: tables.SNAPSHOT_ROOT,
    limits: [
      tables.VALUE_BYTES_MAX,
      nodes.NODE_BYTES_MAX,
      superblocks.SUPERBLOCK_BYTES_MAX,
      superblocks.LABEL_BYTES_MAX,
    ],
    memberStates: superblocks.MemberState,
    compressions: superblocks.Compression,
    bucketClasses: alloc.BucketClass,
    extentKinds: extent.ExtentKind,
    orphanKinds: orphan.OrphanKind,
    counters: counter.Counter,
    bytes: {
      inode: inode.INODE_BYTES,
      alloc: alloc.ALLOC_BYTES,
      backpointer: backpointer.BACKPOINTER_BYTES,
      counter: counter.COUNTER_BYTES,
      orphan: orphan.ORPHAN_BYTES,
      loggedOperation: loggedOperation.LOGGED_OPERATION_BYTES,
      pointer: [pointers.PointerHeader.bytes, pointers.PointerRecord.bytes, pointers.POINTER_BYTES_MAX],
    },
  }).toMatchInlineSnapshot(`
    {
      "bucketClasses": {
        "btree": 1,
        "collected": 3,
        "data": 2,
        "none": 0,
      },
      "bytes": {
        "alloc": 16,
        "backpointer": 24,
        "counter": 8,
        "inode": 100,
        "loggedOperation": 28,
        "orphan": 4,
        "pointer": [
          4,
          28,
          116,
        ],
      },
      "compressions": {
        "none": 0,
        "zstd": 1,
      },
      "counters": {
        "dataBytes": 1,
        "inodes": 0,
      },
      "extentKinds": {
        "data": 1,
        "inline": 2,
        "unwritten": 3,
      },
      "header": 48,
      "kinds": {
        "journalEntry": 2,
        "nodeDelta": 4,
        "nodeImage": 3,
        "superblock": 1,
      },
      "limits": [
        4032,
        65624,
        8192,
        64,
      ],
      "magic": 1448231254,
      "memberStates": {
        "evacuating": 3,
        "readOnly": 2,
        "readWrite": 1,
        "spare": 4,
      },
      "orphanKinds": {
        "unlinked": 1,
      },
      "snapshotRoot": 4294967295,
      "tableCount": [
        13,
        [
          "0 inodes",
          "1 dirents",
          "2 xattrs",
          "3 extents",
          "4 reflinks",
          "5 snapshots",
          "6 subvolumes",
          "7 alloc",
          "8 backpointers",
          "9 accounting",
          "10 moverWork",
          "11 orphans",
          "12 loggedOperations",
        ],
      ],
      "tables": {
        "accounting": 9,
        "alloc": 7,
        "backpointers": 8,
        "dirents": 1,
        "extents": 3,
        "inodes": 0,
        "loggedOperations": 12,
        "moverWork": 10,
        "orphans": 11,
        "reflinks": 4,
        "snapshots": 5,
        "subvolumes": 6,
        "xattrs": 2,
      },
      "version": 4,
    }
  `);
});
