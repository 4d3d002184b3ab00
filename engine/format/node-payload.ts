/**
 * The rows of a node record, without what is around them: a leaf's rows into columns, and columns back into rows.
 *
 * The payload keeps like things together: keys as columns of differences, then lengths, then values, as byte planes
 * where all values have the same length. Reading never throws, never loops, and never builds a leaf that is not in
 * order, whatever the bytes are. Scratch buffers are shared: nothing here suspends, and `payload` is valid until the
 * next call.
 */
import { FRAME_BYTES } from "../btree/frame.ts";
import { isTombstone, Leaf, LEAF_ROWS_MAX, LEAF_VALUE_BYTES_MAX, refLength } from "../btree/leaf.ts";
import { Reader, viewOf, Writer } from "./codec.ts";
import { layout, u8, variable } from "./layout.ts";

export const NodePayload = layout(
  "node payload",
  "A column after the other, each for all rows.",
  [u8("shape", "bit 0: one snapshot for all rows; bit 1: one length for all values; bit 2: some rows are removals")],
  [
    variable("inodes", "signed varint a row", "difference from the row before"),
    variable(
      "offsets",
      "signed varint a row",
      "difference from the row before if that has the same inode, else itself",
    ),
    variable("snapshots", "varint a row, or one for all", ""),
    variable(
      "removals",
      "bitmap of the rows, low bits first, if there are any",
      "1: the row says that its key is gone",
    ),
    variable("lengths", "varint for each row that is no removal, or one for all", "of the values"),
    variable(
      "values",
      "bytes",
      "one length for all: first byte of every value, second byte of every value, ...; else value after value",
    ),
  ],
);

const SHAPE_ONE_SNAPSHOT = 1;
const SHAPE_ONE_LENGTH = 2;
const SHAPE_REMOVALS = 4;
/** No leaf makes a longer one: its keys take at most the 24 bytes that each has in the leaf. */
export const PAYLOAD_BYTES_MAX = FRAME_BYTES;

export const payload = new Uint8Array(PAYLOAD_BYTES_MAX);
export const payloadView = viewOf(payload);
/** Rows to encode, by their index in the leaf. */
const chosen = new Uint16Array(LEAF_ROWS_MAX);
/** Lengths of decoded values; -1 for a removal. */
const lengths = new Int16Array(LEAF_ROWS_MAX);
const inodes = new Float64Array(LEAF_ROWS_MAX);
const offsets = new Float64Array(LEAF_ROWS_MAX);
const snapshots = new Uint32Array(LEAF_ROWS_MAX);

function shapeOf(leaf: Leaf, count: number): number {
  let shape = SHAPE_ONE_SNAPSHOT | SHAPE_ONE_LENGTH;
  const snapshot = count > 0 ? leaf.rowSnapshot(chosen[0]!) : 0;
  let length = -1;
  for (let k = 0; k < count; k++) {
    const row = chosen[k]!;
    const ref = leaf.rowRef(row);
    if (leaf.rowSnapshot(row) !== snapshot) shape &= ~SHAPE_ONE_SNAPSHOT;
    if (isTombstone(ref)) shape |= SHAPE_REMOVALS;
    else if (length < 0) length = refLength(ref);
    else if (length !== refLength(ref)) shape &= ~SHAPE_ONE_LENGTH;
  }
  return shape;
}

function writeKeys(writer: Writer, leaf: Leaf, count: number, shape: number): void {
  let inode = 0;
  for (let k = 0; k < count; k++) {
    const next = leaf.rowInode(chosen[k]!);
    writer.signedVarint(next - inode);
    inode = next;
  }
  let offset = 0;
  for (let k = 0; k < count; k++) {
    const row = chosen[k]!;
    const same = k > 0 && leaf.rowInode(row) === leaf.rowInode(chosen[k - 1]!);
    const next = leaf.rowOffset(row);
    writer.signedVarint(same ? next - offset : next);
    offset = next;
  }
  if ((shape & SHAPE_ONE_SNAPSHOT) !== 0) writer.varint(count > 0 ? leaf.rowSnapshot(chosen[0]!) : 0);
  else for (let k = 0; k < count; k++) writer.varint(leaf.rowSnapshot(chosen[k]!));
}

function writeRemovals(writer: Writer, leaf: Leaf, count: number): void {
  for (let k = 0; k < count; k += 8) {
    let bits = 0;
    for (let b = 0; b < 8 && k + b < count; b++) if (isTombstone(leaf.rowRef(chosen[k + b]!))) bits |= 1 << b;
    writer.u8(bits);
  }
}

/** Drops removals from `chosen`; what is left has values. */
function keepValues(leaf: Leaf, count: number): number {
  let kept = 0;
  for (let k = 0; k < count; k++) {
    const row = chosen[k]!;
    if (!isTombstone(leaf.rowRef(row))) chosen[kept++] = row;
  }
  return kept;
}

function writeValues(writer: Writer, leaf: Leaf, count: number, shape: number): void {
  const { bytes } = leaf;
  if ((shape & SHAPE_ONE_LENGTH) !== 0) {
    const length = count > 0 ? refLength(leaf.rowRef(chosen[0]!)) : 0;
    writer.varint(length);
    const { at } = writer;
    // A plane for each byte of the value; row by row, so that each value is read once.
    for (let k = 0; k < count; k++) {
      const from = leaf.valueAt(leaf.rowRef(chosen[k]!));
      for (let b = 0, to = at + k; b < length; b++, to += count) payload[to] = bytes[from + b]!;
    }
    writer.at = at + count * length;
    return;
  }
  for (let k = 0; k < count; k++) writer.varint(refLength(leaf.rowRef(chosen[k]!)));
  let { at } = writer;
  for (let k = 0; k < count; k++) {
    const ref = leaf.rowRef(chosen[k]!);
    const from = leaf.valueAt(ref);
    const length = refLength(ref);
    for (let b = 0; b < length; b++) payload[at + b] = bytes[from + b]!;
    at += length;
  }
  writer.at = at;
}

/** Encodes the first `count` of `chosen` into the scratch payload and returns its length. */
function writePayload(leaf: Leaf, count: number): number {
  const writer = new Writer(payloadView, 0);
  const shape = shapeOf(leaf, count);
  writer.u8(shape);
  writeKeys(writer, leaf, count, shape);
  if ((shape & SHAPE_REMOVALS) !== 0) writeRemovals(writer, leaf, count);
  writeValues(writer, leaf, keepValues(leaf, count), shape);
  return writer.at;
}

/** Writes all live rows to `payload`, in key order; returns how many bytes they take there. */
export function writeImagePayload(leaf: Leaf): number {
  for (let k = 0; k < leaf.n; k++) chosen[k] = leaf.rowAt(k);
  return writePayload(leaf, leaf.n);
}

/** Writes the rows since the last seal to `payload`, in the order of their arrival; returns how many bytes they take. */
export function writeDeltaPayload(leaf: Leaf): number {
  const count = leaf.rowsSinceSeal;
  const first = leaf.firstUnsealedRow;
  for (let k = 0; k < count; k++) chosen[k] = first + k;
  return writePayload(leaf, count);
}

const isInteger53 = (n: number): boolean => n >= 0 && n <= Number.MAX_SAFE_INTEGER;

function readKeys(reader: Reader, count: number, shape: number): boolean {
  let inode = 0;
  for (let k = 0; k < count; k++) {
    inode += reader.signedVarint();
    if (!isInteger53(inode)) return false;
    inodes[k] = inode;
  }
  let offset = 0;
  for (let k = 0; k < count; k++) {
    const difference = reader.signedVarint();
    offset = k > 0 && inodes[k] === inodes[k - 1] ? offset + difference : difference;
    if (!isInteger53(offset)) return false;
    offsets[k] = offset;
  }
  const one = (shape & SHAPE_ONE_SNAPSHOT) !== 0;
  let snapshot = one ? reader.varint() : 0;
  for (let k = 0; k < count; k++) {
    if (!one) snapshot = reader.varint();
    if (snapshot > 0xffff_ffff) return false;
    snapshots[k] = snapshot;
  }
  return reader.ok;
}

/** Fills `lengths`; returns the bytes that all values take, or -1. */
function readLengths(reader: Reader, count: number, shape: number): number {
  lengths.fill(0, 0, count);
  if ((shape & SHAPE_REMOVALS) !== 0) {
    for (let k = 0; k < count; k += 8) {
      const bits = reader.u8();
      for (let b = 0; b < 8 && k + b < count; b++) if ((bits & (1 << b)) !== 0) lengths[k + b] = -1;
    }
  }
  const one = (shape & SHAPE_ONE_LENGTH) !== 0;
  let length = one ? reader.varint() : 0;
  let total = 0;
  for (let k = 0; k < count; k++) {
    if (lengths[k]! < 0) continue;
    if (!one) length = reader.varint();
    if (length > LEAF_VALUE_BYTES_MAX) return -1;
    lengths[k] = length;
    total += length;
  }
  return reader.ok && total === reader.left ? total : -1;
}

function readColumns(reader: Reader, count: number): number {
  const shape = reader.u8();
  if ((shape & ~(SHAPE_ONE_SNAPSHOT | SHAPE_ONE_LENGTH | SHAPE_REMOVALS)) !== 0) return -1;
  if (!readKeys(reader, count, shape) || readLengths(reader, count, shape) < 0) return -1;
  return shape;
}

function isBefore(a: number, b: number): boolean {
  if (inodes[a] !== inodes[b]) return inodes[a]! < inodes[b]!;
  if (offsets[a] !== offsets[b]) return offsets[a]! < offsets[b]!;
  return snapshots[a]! < snapshots[b]!;
}

function areImageRows(count: number): boolean {
  for (let k = 0; k < count; k++) if (lengths[k]! < 0 || (k > 0 && !isBefore(k - 1, k))) return false;
  return true;
}

/** Takes the values off the payload one by one, in the order of the rows. */
class ValueCursor {
  private readonly view: DataView;
  private at: number;
  private readonly planes: number;
  /** `valued` rows have a value; with one length for all, their bytes lie that far apart. */
  constructor(reader: Reader, shape: number, valued: number) {
    this.view = reader.view;
    this.at = reader.at;
    this.planes = (shape & SHAPE_ONE_LENGTH) !== 0 ? valued : 0;
  }

  take(length: number, to: Uint8Array, toAt: number): void {
    const step = this.planes === 0 ? 1 : this.planes;
    const { view } = this;
    for (let b = 0, at = this.at; b < length; b++, at += step) to[toAt + b] = view.getUint8(at);
    this.at += this.planes === 0 ? length : 1;
  }
}

/** A leaf of `count` rows that are all there, in order and no removals; undefined if they are not. */
export function readImagePayload(reader: Reader, count: number): Leaf | undefined {
  const shape = readColumns(reader, count);
  if (shape < 0 || !areImageRows(count)) return undefined;
  const cursor = new ValueCursor(reader, shape, count);
  const leaf = new Leaf();
  for (let k = 0; k < count; k++) {
    const length = lengths[k]!;
    if (!leaf.fitsValue(length)) {
      leaf.free();
      return undefined;
    }
    cursor.take(length, leaf.bytes, leaf.push(inodes[k]!, offsets[k]!, snapshots[k]!, length));
  }
  return leaf;
}

const valueWords = new Int32Array((LEAF_VALUE_BYTES_MAX + 3) >> 2);
const valueBytes = new Uint8Array(valueWords.buffer);

/** Puts and removes `count` rows in order; false if they are malformed, or more than the leaf has room for. */
export function applyDeltaPayload(leaf: Leaf, reader: Reader, count: number): boolean {
  const shape = readColumns(reader, count);
  if (shape < 0) return false;
  let valued = 0;
  for (let k = 0; k < count; k++) if (lengths[k]! >= 0) valued++;
  const cursor = new ValueCursor(reader, shape, valued);
  for (let k = 0; k < count; k++) {
    const length = lengths[k]!;
    if (!leaf.fitsValue(Math.max(length, 0))) return false;
    if (length < 0) {
      leaf.del(inodes[k]!, offsets[k]!, snapshots[k]!);
    } else {
      cursor.take(length, valueBytes, 0);
      leaf.put(inodes[k]!, offsets[k]!, snapshots[k]!, valueWords, 0, length);
    }
  }
  return true;
}
