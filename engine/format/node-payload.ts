/**
 * The rows of a node record, without what is around them: rows into columns, and columns back into rows.
 *
 * The payload keeps like things together: keys as columns of differences, then lengths, then values, as byte planes
 * where all values have the same length. Reading never throws, never loops, and never gives rows that are not in
 * order, whatever the bytes are. Scratch buffers are shared: nothing here suspends, and `payload` is valid until the
 * next call.
 */
import { type Reader, viewOf, Writer } from "./codec.ts";
import { layout, u8, variable } from "./layout.ts";

/** Rows of a node, removals of a delta included. */
export const NODE_ROWS_MAX = 2048;
export const NODE_VALUE_BYTES_MAX = 4094;
/** Bytes that the rows of a node take at most, with 24 for each key and its value rounded up to 4. */
export const NODE_ROOM_BYTES = 61_440;

/** What this needs of a node's rows in memory. A row is named by the order of its arrival. */
export interface NodeRows {
  /** Live rows. */
  readonly n: number;
  readonly rowsSinceSeal: number;
  readonly firstUnsealedRow: number;
  /** An image of it exists, for a delta to apply to. */
  readonly hasBase: boolean;
  /** Holds the values. */
  readonly bytes: Uint8Array;
  /** The live row at this position of the key order. */
  rowAt(position: number): number;
  rowInode(row: number): number;
  rowOffset(row: number): number;
  rowSnapshot(row: number): number;
  /** Length of the row's value; -1 for a removal. */
  rowLength(row: number): number;
  /** Offset of the row's value in `bytes`. */
  rowValueAt(row: number): number;
  fitsValue(lengthBytes: number): boolean;
  /** Adds a row behind the last key; returns where in `bytes` its value goes. */
  push(inode: number, offset: number, snapshot: number, length: number): number;
  put(inode: number, offset: number, snapshot: number, source: Int32Array, sourceWord: number, length: number): void;
  del(inode: number, offset: number, snapshot: number): boolean;
  seal(): void;
  free(): void;
}

export const NodePayload = layout(
  "node payload",
  "A column after the other, each for all rows.",
  [u8("shape", "bit 0: one snapshot for all rows; bit 1: one length for all values; bit 2: some rows are removals")],
  [
    variable("inodes", "signed varint a row", "difference from the row before, or from 0"),
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
/** No node makes a longer one: a key, its snapshot and its length take at most 24 bytes here, too. */
export const PAYLOAD_BYTES_MAX = 65_536;

export const payload = new Uint8Array(PAYLOAD_BYTES_MAX);
export const payloadView = viewOf(payload);
/** Rows to encode, by their index in the rows. */
const chosen = new Uint16Array(NODE_ROWS_MAX);
/** Lengths of decoded values; -1 for a removal. */
const lengths = new Int16Array(NODE_ROWS_MAX);
const inodes = new Float64Array(NODE_ROWS_MAX);
const offsets = new Float64Array(NODE_ROWS_MAX);
const snapshots = new Uint32Array(NODE_ROWS_MAX);

function shapeOf(rows: NodeRows, count: number): number {
  let shape = SHAPE_ONE_SNAPSHOT | SHAPE_ONE_LENGTH;
  const snapshot = count > 0 ? rows.rowSnapshot(chosen[0]!) : 0;
  let length = -1;
  for (let k = 0; k < count; k++) {
    const row = chosen[k]!;
    const rowLength = rows.rowLength(row);
    if (rows.rowSnapshot(row) !== snapshot) shape &= ~SHAPE_ONE_SNAPSHOT;
    if (rowLength < 0) shape |= SHAPE_REMOVALS;
    else if (length < 0) length = rowLength;
    else if (length !== rowLength) shape &= ~SHAPE_ONE_LENGTH;
  }
  return shape;
}

function writeKeys(writer: Writer, rows: NodeRows, count: number, shape: number): void {
  let inode = 0;
  for (let k = 0; k < count; k++) {
    const next = rows.rowInode(chosen[k]!);
    writer.signedVarint(next - inode);
    inode = next;
  }
  let offset = 0;
  for (let k = 0; k < count; k++) {
    const row = chosen[k]!;
    const same = k > 0 && rows.rowInode(row) === rows.rowInode(chosen[k - 1]!);
    const next = rows.rowOffset(row);
    writer.signedVarint(same ? next - offset : next);
    offset = next;
  }
  if ((shape & SHAPE_ONE_SNAPSHOT) !== 0) writer.varint(count > 0 ? rows.rowSnapshot(chosen[0]!) : 0);
  else for (let k = 0; k < count; k++) writer.varint(rows.rowSnapshot(chosen[k]!));
}

function writeRemovals(writer: Writer, rows: NodeRows, count: number): void {
  for (let k = 0; k < count; k += 8) {
    let bits = 0;
    for (let b = 0; b < 8 && k + b < count; b++) if (rows.rowLength(chosen[k + b]!) < 0) bits |= 1 << b;
    writer.u8(bits);
  }
}

/** Drops removals from `chosen`; what is left has values. */
function keepValues(rows: NodeRows, count: number): number {
  let kept = 0;
  for (let k = 0; k < count; k++) {
    const row = chosen[k]!;
    if (rows.rowLength(row) >= 0) chosen[kept++] = row;
  }
  return kept;
}

function writeValues(writer: Writer, rows: NodeRows, count: number, shape: number): void {
  const { bytes } = rows;
  if ((shape & SHAPE_ONE_LENGTH) !== 0) {
    const length = count > 0 ? rows.rowLength(chosen[0]!) : 0;
    writer.varint(length);
    const { at } = writer;
    // A plane for each byte of the value; row by row, so that each value is read once.
    for (let k = 0; k < count; k++) {
      const from = rows.rowValueAt(chosen[k]!);
      for (let b = 0, to = at + k; b < length; b++, to += count) payload[to] = bytes[from + b]!;
    }
    writer.at = at + count * length;
    return;
  }
  for (let k = 0; k < count; k++) writer.varint(rows.rowLength(chosen[k]!));
  let { at } = writer;
  for (let k = 0; k < count; k++) {
    const row = chosen[k]!;
    const from = rows.rowValueAt(row);
    const length = rows.rowLength(row);
    for (let b = 0; b < length; b++) payload[at + b] = bytes[from + b]!;
    at += length;
  }
  writer.at = at;
}

/** Encodes the first `count` of `chosen` into the scratch payload and returns its length. */
function writePayload(rows: NodeRows, count: number): number {
  const writer = new Writer(payloadView, 0);
  const shape = shapeOf(rows, count);
  writer.u8(shape);
  writeKeys(writer, rows, count, shape);
  if ((shape & SHAPE_REMOVALS) !== 0) writeRemovals(writer, rows, count);
  writeValues(writer, rows, keepValues(rows, count), shape);
  return writer.at;
}

/** Writes all live rows to `payload`, in key order; returns how many bytes they take there. */
export function writeImagePayload(rows: NodeRows): number {
  for (let k = 0; k < rows.n; k++) chosen[k] = rows.rowAt(k);
  return writePayload(rows, rows.n);
}

/** Writes the rows since the last seal to `payload`, in the order of their arrival; returns how many bytes they take. */
export function writeDeltaPayload(rows: NodeRows): number {
  const count = rows.rowsSinceSeal;
  const first = rows.firstUnsealedRow;
  for (let k = 0; k < count; k++) chosen[k] = first + k;
  return writePayload(rows, count);
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
    if (length > NODE_VALUE_BYTES_MAX) return -1;
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

/** Puts `count` rows into `fresh()`, if they are all there, in order and no removals; else undefined. */
export function readImagePayload<Rows extends NodeRows>(
  reader: Reader,
  count: number,
  fresh: () => Rows,
): Rows | undefined {
  const shape = readColumns(reader, count);
  if (shape < 0 || !areImageRows(count)) return undefined;
  const cursor = new ValueCursor(reader, shape, count);
  const rows = fresh();
  for (let k = 0; k < count; k++) {
    const length = lengths[k]!;
    if (!rows.fitsValue(length)) {
      rows.free();
      return undefined;
    }
    cursor.take(length, rows.bytes, rows.push(inodes[k]!, offsets[k]!, snapshots[k]!, length));
  }
  return rows;
}

const valueWords = new Int32Array((NODE_VALUE_BYTES_MAX + 3) >> 2);
const valueBytes = new Uint8Array(valueWords.buffer);

/** Puts and removes `count` rows in order; false if they are malformed, or more than there is room for. */
export function applyDeltaPayload(rows: NodeRows, reader: Reader, count: number): boolean {
  const shape = readColumns(reader, count);
  if (shape < 0) return false;
  let valued = 0;
  for (let k = 0; k < count; k++) if (lengths[k]! >= 0) valued++;
  const cursor = new ValueCursor(reader, shape, valued);
  for (let k = 0; k < count; k++) {
    const length = lengths[k]!;
    if (!rows.fitsValue(Math.max(length, 0))) return false;
    if (length < 0) {
      rows.del(inodes[k]!, offsets[k]!, snapshots[k]!);
    } else {
      cursor.take(length, valueBytes, 0);
      rows.put(inodes[k]!, offsets[k]!, snapshots[k]!, valueWords, 0, length);
    }
  }
  return true;
}
