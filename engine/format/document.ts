/**
 * Writes docs/format.md: prose that is kept here, and tables that come from the layouts the codecs use.
 *
 * A test compares the page with what this prints, so the page cannot say anything else than the code does.
 */
import { FORMAT_VERSION, FORMAT_VERSION_OLDEST, RecordHeader } from "./codec.ts";
import { EntryBody, EntryRefLayout, EntryRootHead, LEVEL_MAX, UpdateHead } from "./journal-entry.ts";
import type { Field, Layout, VariableField } from "./layout.ts";
import { NODE_BYTES_MAX, NodeBody } from "./node.ts";
import { NodePayload } from "./node-payload.ts";
import { PointerHeader, PointerRecord } from "./pointer.ts";
import { JournalBucketLayout, MemberLayout, SUPERBLOCK_BYTES_MAX, SuperblockBody } from "./superblock.ts";
import { SNAPSHOT_ROOT, TABLES, VALUE_BYTES_MAX } from "./tables.ts";
import { AllocLayout } from "./values/alloc.ts";
import { BackpointerLayout } from "./values/backpointer.ts";
import { CounterLayout } from "./values/counter.ts";
import { DirentLayout, DirentNameLayout } from "./values/dirent.ts";
import { DataExtentLayout, ExtentPointerLayout, InlineExtentLayout, UnwrittenExtentLayout } from "./values/extent.ts";
import { InodeLayout } from "./values/inode.ts";
import { LoggedOperationLayout } from "./values/logged-operation.ts";
import { OrphanLayout } from "./values/orphan.ts";
import { XattrHeadLayout } from "./values/xattr.ts";

const KIND_WORDS: Readonly<Record<string, string>> = {
  checksum: "u64, all bits",
  u64: "u64 < 2^53",
  i64: "i64, within 2^53",
};

/** Lines of a table whose columns are as wide as their widest cell. */
function tableLines(header: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): Array<string> {
  const widths = header.map((cell, column) => Math.max(3, cell.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  return [line(header), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rows.map(line)];
}

const fixedRow = (field: Field, at: number): Array<string> => [
  String(at),
  String(field.bytes),
  `\`${field.name}\``,
  field.kind === "bytes" ? "bytes" : (KIND_WORDS[field.kind] ?? field.kind),
  field.doc,
];

const variableRow = (field: VariableField, at: string): Array<string> => [
  at,
  "",
  `\`${field.name}\``,
  field.coding,
  field.doc,
];

function layoutLines<Name extends string>(layout: Layout<Name>): Array<string> {
  const at: { readonly [name: string]: number } = layout.at;
  const rows = layout.fields.map((field) => fixedRow(field, at[field.name]!));
  layout.variable.forEach((field, index) => rows.push(variableRow(field, index === 0 ? String(layout.bytes) : "")));
  const length = layout.variable.length === 0 ? `${layout.bytes} bytes` : `${layout.bytes} bytes and more`;
  const title = layout.name[0]!.toUpperCase() + layout.name.slice(1);
  return [
    `### ${title} (${length})`,
    "",
    layout.doc,
    "",
    ...tableLines(["at", "bytes", "field", "type", "meaning"], rows),
    "",
  ];
}

/** Paragraphs are given as lists of lines, as they are to stand in the page. */
const paragraph = (...lines: ReadonlyArray<string>): Array<string> => [...lines, ""];

function introduction(): Array<string> {
  return [
    ...paragraph("# On-disk format"),
    ...paragraph(
      "<!-- Generated from engine/format. Do not edit: change the layouts or engine/format/document.ts. -->",
    ),
    ...paragraph(
      `This is version ${FORMAT_VERSION}. All integers are little-endian. A 64-bit number is below 2^53, unless it is a checksum.`,
      "Reserved fields are zero, and a reader refuses anything else. Offsets in the tables count from the start of the thing",
      "described, fixed fields lie without gaps, and what varies in length follows them in the order of the table.",
    ),
    ...paragraph(
      "A **varint** holds seven bits a byte, the low ones first; the high bit says that more follow. A **signed varint** holds",
      "the low six bits of the magnitude in its first byte, the sign in the bit above them (0x40), and the rest as a varint",
      "behind it when the high bit is set.",
    ),
    ...paragraph("## Buckets"),
    ...paragraph(
      "A device is cut into buckets of one size: the zones of a zoned device, else `bucketBytes` of the superblock. What is",
      "behind the last whole bucket is not used. A bucket is filled front to back, once, and then reset. Addresses are byte",
      "addresses on a device, and what lies in a data or btree bucket lies there back to back, aligned to nothing; padding",
      "stands only where a write had to end on a block. Buckets 0 and 1 of every device hold the superblock log, the buckets",
      "that the superblock lists hold the journal, and all others hold data or btree nodes.",
    ),
    ...paragraph(
      "Every bucket has a generation, which rises when it is reset. A pointer carries the generation of the bucket when it was",
      "written; a pointer of another generation points to nothing.",
    ),
    ...paragraph("## Records"),
    ...paragraph(
      "Superblocks, journal entries and node records begin with the same header. A reader checks magic, kind, length,",
      "`reserved` and `uuid`, then the checksum, then the version, and looks at nothing else before that. The header and what",
      "the checksum covers stay the same in all versions. Zeros behind a record up to the end of a block belong to no record.",
    ),
    ...layoutLines(RecordHeader),
    ...paragraph("## Versions"),
    ...paragraph(
      `Records of versions ${FORMAT_VERSION_OLDEST} to ${FORMAT_VERSION} are read; a superblock of another version is refused, and any other record of one is none.`,
      "What a program writes has its own version, so that a pool may hold records of several. The superblock's is that of",
      "the newest: a program that opens a pool of an earlier version for writing first writes the superblock with its own into",
      "both buckets of the log, one after the other, each flushed. An earlier program then finds no record that it can read,",
      "and refuses the pool.",
    ),
    ...paragraph(
      "Version 4 gave inodes a compression of their own, where version 3 has zeros. It changed nothing else.",
    ),
  ];
}

function superblock(): Array<string> {
  return [
    ...paragraph("## Superblock"),
    ...paragraph(
      "Each device has a copy of the pool's superblock in a log: records are appended to bucket 0 until it is full, then",
      `bucket 1 is reset and the log goes on there, and so on in turn. Records begin at multiples of ${SUPERBLOCK_BYTES_MAX} bytes, or of the`,
      `device's block if that is larger, and none is longer than ${SUPERBLOCK_BYTES_MAX} bytes. The valid record with the highest sequence counts;`,
      "within a bucket the sequence rises, and a record with a lower one than its predecessor is a leftover. After the pool",
      "was opened, the first record goes to the bucket that does not hold the newest one, since what lies behind that may be",
      "torn.",
    ),
    ...paragraph(
      "A reader needs not know the bucket size. If bucket 0 begins with a valid record, that tells where bucket 1 begins; if",
      "not, bucket 1 begins at a zone on a zoned device, and otherwise at the power of two at which a valid record stands",
      "whose `bucketBytes` is that power.",
    ),
    ...layoutLines(SuperblockBody),
    ...layoutLines(MemberLayout),
    ...layoutLines(JournalBucketLayout),
  ];
}

function journal(): Array<string> {
  return [
    ...paragraph("## Journal"),
    ...paragraph(
      "The journal's buckets are used as a ring, in the order in which the superblock lists them. A bucket is reset and filled",
      "from its front with entries, each padded with zeros to whole blocks of `blockBytes`; an entry that does not fit goes to",
      "the next bucket, and nothing marks the end. A bucket may be used again once its last entry is older than the",
      "`oldestNeeded` of an entry that is itself known to be flushed. Sequences rise by one from entry to entry. An opening",
      "that finds all of them in use gives the journal another one, empty and at the end of the list, by a new superblock; a",
      "row that the alloc table may have of it says that nothing in it is live.",
    ),
    ...paragraph(
      "An **epoch** is the time from one opening of the pool for writing to the next. An entry is dead, however valid it",
      "looks, when some entry of a higher epoch has an `epochStart` at or below its sequence: it was written behind what that",
      "opening took for the end of the journal. An entry follows another one if its sequence is one higher and `previous` is",
      "the other's checksum. So an entry that was given up never stands behind one that was written in its place, whatever",
      "its epoch says.",
    ),
    ...paragraph(
      "**Which entries count.** Let F be the highest `flushedSequence` of all live entries. Entries up to F are durable, with",
      "all that they rely on: one that is missing is damage. Behind F they count as far as one follows the other, is valid and",
      "all of its refs verify; the first that does not ends the journal. Nobody can have been told that anything behind it was",
      "durable.",
    ),
    ...paragraph(
      "**What they mean.** The roots of the last entry that counts are the trees. To these the updates are applied of all",
      "entries from its `oldestNeeded` to itself: first those of the highest level, then of each level below, in the order of",
      "entries and within an entry. Applying an update twice changes nothing. Updates of a level above 0 are changes to",
      "rows of interior nodes: nodes that were written, or that are gone.",
    ),
    ...layoutLines(EntryBody),
    ...layoutLines(EntryRootHead),
    ...layoutLines(EntryRefLayout),
    ...layoutLines(UpdateHead),
  ];
}

function nodes(): Array<string> {
  return [
    ...paragraph("## Btree nodes"),
    ...paragraph(
      "Each table is a B+tree. A node stands on disk as an image and up to three deltas on top of it, each a record of its",
      "own, written at a new place whenever there was something to write. The node's pointer lists them with their checksums,",
      "and a record counts only if its checksum is the one in the pointer. A node is its image's rows, with each delta's",
      "rows applied in turn, in the order in which they stand: a row replaces the one of its key, and a removal takes it away.",
      "An image has its rows in ascending order of keys, no key twice and no removals.",
    ),
    ...paragraph(
      `A leaf has level 0; no node is above level ${LEVEL_MAX}. A row of an interior node has the lowest key of a child and, as its value, the`,
      "pointer to it; the child covers the keys from there to the next row's key. Keys are compared by inode, then by offset,",
      `then by snapshot. A node record is at most ${NODE_BYTES_MAX} bytes long, and so are its rows when they are decoded, counting 24 bytes`,
      `and the value's length rounded up to 4 for each. A value is at most ${VALUE_BYTES_MAX} bytes long.`,
    ),
    ...layoutLines(NodeBody),
    ...layoutLines(NodePayload),
    ...layoutLines(PointerHeader),
    ...layoutLines(PointerRecord),
  ];
}

function tables(): Array<string> {
  const rows = TABLES.map(({ id, name, secondary, key, value }) => [
    String(id),
    `\`${name}\``,
    secondary ? "secondary" : "primary",
    ...key,
    value,
  ]);
  return [
    ...paragraph("## Tables"),
    ...paragraph(
      "A secondary table follows from the primary ones and is changed only together with them. Counters and live bytes are",
      `absolute values. Where the key has a snapshot, it is ${SNAPSHOT_ROOT}, 2^32 - 1: no others can be taken yet.`,
    ),
    ...tableLines(["id", "table", "role", "key: inode", "key: offset", "key: snapshot", "a row tells"], rows),
    "",
    ...layoutLines(InodeLayout),
    ...layoutLines(DirentLayout),
    ...layoutLines(DirentNameLayout),
    ...layoutLines(XattrHeadLayout),
    ...paragraph("All chunks of an attribute but its last are as long as a value may be."),
    ...layoutLines(DataExtentLayout),
    ...layoutLines(ExtentPointerLayout),
    ...layoutLines(InlineExtentLayout),
    ...paragraph("The target of a symbolic link is such a row, too."),
    ...layoutLines(UnwrittenExtentLayout),
    ...layoutLines(AllocLayout),
    ...paragraph(
      "A data row keeps `max(1, floor(storedBytes * lengthBytes / rawBytes))` bytes alive in each bucket that it points to.",
    ),
    ...layoutLines(BackpointerLayout),
    ...layoutLines(CounterLayout),
    ...layoutLines(OrphanLayout),
    ...layoutLines(LoggedOperationLayout),
  ];
}

/** The whole page. */
export function formatDocument(): string {
  const lines = [...introduction(), ...superblock(), ...journal(), ...nodes(), ...tables()];
  return `${lines.join("\n").trimEnd()}\n`;
}
