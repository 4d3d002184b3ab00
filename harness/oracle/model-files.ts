/**
 * The operations of the reference filesystem on what inodes hold: bytes, extended attributes, and who has them open.
 *
 * Same manner as `model.ts`: each is applied at the moment at which it took effect and returns what the engine must
 * answer. A write is no change of the namespace; truncate and fallocate are, because the engine orders them with it.
 */
import { compressionOfValue, isCompressionAttribute } from "../../engine/fs/compression-attribute.ts";
import {
  FILE_BYTES_MAX,
  type FallocateMode,
  type FilesystemStatistics,
  type FsReason,
  XATTR_NAME_BYTES_MAX,
  XATTR_VALUE_BYTES_MAX,
} from "../../engine/fs/types.ts";
import { describeBytes } from "../workload/pattern.ts";
import { type Expectation, fails, isRefusal, type Refusal, succeeds } from "./expectation.ts";
import type { FileContent } from "./file-content.ts";
import { type Inode, sameBytes, shownXattrs, textOf } from "./inode.ts";
import type { Call, Model } from "./model.ts";

interface OpenFile {
  readonly inode: Inode;
  readonly content: FileContent;
}

export function read(model: Model, number: number, offsetBytes: number, lengthBytes: number): Expectation<Uint8Array> {
  const file = regularFile(model, number);
  if (isRefusal(file)) return file;
  if (offsetBytes < 0 || lengthBytes < 0) return fails("InvalidArgument");
  const expected = file.content.read(offsetBytes, lengthBytes);
  return { verify: (found) => wrongBytes(found, expected, offsetBytes) };
}

export function write(
  model: Model,
  call: Call,
  number: number,
  offsetBytes: number,
  bytes: Uint8Array,
): Expectation<unknown> {
  const file = regularFile(model, number);
  if (isRefusal(file)) return file;
  if (offsetBytes < 0) return fails("InvalidArgument");
  if (offsetBytes + bytes.length > FILE_BYTES_MAX) return fails("FileTooLarge");
  applyWrite(model, call, file, offsetBytes, bytes);
  return succeeds;
}

export function append(model: Model, call: Call, number: number, bytes: Uint8Array): Expectation<number> {
  const file = regularFile(model, number);
  if (isRefusal(file)) return file;
  const expected = file.content.sizeBytes;
  if (expected + bytes.length > FILE_BYTES_MAX) return fails("FileTooLarge");
  applyWrite(model, call, file, expected, bytes);
  return { verify: (found) => (found === expected ? undefined : `appended at ${found}, expected ${expected}`) };
}

export function fallocate(
  model: Model,
  call: Call,
  number: number,
  mode: FallocateMode,
  offsetBytes: number,
  lengthBytes: number,
  keepSize: boolean,
): Expectation<unknown> {
  const file = regularFile(model, number);
  if (isRefusal(file)) return file;
  if (offsetBytes < 0 || lengthBytes <= 0) return fails("InvalidArgument");
  const to = offsetBytes + lengthBytes;
  if (to > FILE_BYTES_MAX) return fails("FileTooLarge", "NoSpace");
  const moment = model.history.advance(call.label, [file.inode]);
  model.touch(moment, file.inode);
  const growTo = keepSize || mode === "punch" ? 0 : to;
  if (mode === "allocate") file.content.grow(moment, growTo);
  else file.content.zero(moment, offsetBytes, to, growTo);
  return succeeds;
}

export function seek(model: Model, number: number, offsetBytes: number, what: "data" | "hole"): Expectation<number> {
  const file = regularFile(model, number);
  if (isRefusal(file)) return file;
  const size = file.content.sizeBytes;
  if (offsetBytes >= size) return fails("NoSuchOffset");
  const firstData = file.content.firstNonZero(offsetBytes, size);
  if (what === "hole") {
    const moment = model.history.moment;
    return {
      verify: (found) => {
        const isInside = found >= offsetBytes && found <= size;
        if (isInside && (found === size || file.content.byteAt(moment, found) === 0)) return undefined;
        return `a hole at ${found}, which is none (asked from ${offsetBytes}, size ${size})`;
      },
    };
  }
  return {
    mayFail: firstData === size ? ["NoSuchOffset"] : [],
    verify: (found) => {
      if (found < offsetBytes || found >= size) return `data at ${found}, asked from ${offsetBytes}, size ${size}`;
      return found <= firstData ? undefined : `first data at ${found}, but there is some at ${firstData}`;
    },
  };
}

export function openInode(model: Model, number: number): Expectation<unknown> {
  const inode = model.find(number);
  if (inode === undefined) return model.missing(number);
  inode.opens++;
  return succeeds;
}

export function releaseInode(model: Model, number: number): Expectation<unknown> {
  const inode = model.find(number);
  if (inode === undefined && model.keepsGone) return model.missing(number);
  if (inode === undefined || inode.opens === 0) return fails("NoEntry", "InvalidArgument");
  inode.opens--;
  return succeeds;
}

export function getxattr(model: Model, number: number, name: Uint8Array): Expectation<Uint8Array> {
  const inode = model.find(number);
  if (inode === undefined) return model.missing(number);
  const expected = shownXattrs(inode.state).get(textOf(name));
  if (expected === undefined) return fails(...wrongXattrName(name), "NoAttribute");
  return { verify: (found) => wrongBytes(found, expected, 0) };
}

export function setxattr(
  model: Model,
  call: Call,
  number: number,
  name: Uint8Array,
  value: Uint8Array,
  mode: "set" | "create" | "replace",
): Expectation<unknown> {
  const inode = model.find(number);
  if (inode === undefined) return model.missing(number);
  const reasons: Array<FsReason> = [...wrongXattrName(name)];
  const exists = shownXattrs(inode.state).has(textOf(name));
  const compression = isCompressionAttribute(name) ? compressionOfValue(value) : undefined;
  if (value.length > XATTR_VALUE_BYTES_MAX) reasons.push("ResultTooLarge", "NoSpace", "InvalidArgument");
  if (isCompressionAttribute(name) && (compression === undefined || !inode.isCompressible)) {
    reasons.push("InvalidArgument");
  }
  if (mode === "create" && exists) reasons.push("Exists");
  if (mode === "replace" && !exists) reasons.push("NoAttribute");
  if (reasons.length > 0) return fails(...reasons);
  const moment = model.history.advance(call.label, [inode]);
  const after =
    compression === undefined ? { xattrs: new Map(inode.state.xattrs).set(textOf(name), value) } : { compression };
  model.put(moment, inode, after);
  return succeeds;
}

export function removexattr(model: Model, call: Call, number: number, name: Uint8Array): Expectation<unknown> {
  const inode = model.find(number);
  if (inode === undefined) return model.missing(number);
  const xattrs = new Map(inode.state.xattrs);
  const unset = isCompressionAttribute(name) && inode.state.compression !== 0;
  if (!unset && !xattrs.delete(textOf(name))) return fails(...wrongXattrName(name), "NoAttribute");
  const moment = model.history.advance(call.label, [inode]);
  model.put(moment, inode, unset ? { compression: 0 } : { xattrs });
  return succeeds;
}

export function listxattr(model: Model, number: number): Expectation<ReadonlyArray<Uint8Array>> {
  const inode = model.find(number);
  if (inode === undefined) return model.missing(number);
  const expected = [...shownXattrs(inode.state).keys()].toSorted().join("\0");
  return {
    verify: (found) => {
      const names = found.map(textOf).toSorted().join("\0");
      return names === expected
        ? undefined
        : `attributes ${JSON.stringify(names)}, expected ${JSON.stringify(expected)}`;
    },
  };
}

/** Succeeds on anything that exists. */
export function existing(model: Model, number: number): Expectation<unknown> {
  return model.find(number) === undefined ? model.missing(number) : succeeds;
}

export function statistics(): Expectation<FilesystemStatistics> {
  return {
    verify: ({ availableBytes, freeBytes, totalBytes }) =>
      0 <= availableBytes && availableBytes <= freeBytes && freeBytes <= totalBytes
        ? undefined
        : `${availableBytes} bytes available, ${freeBytes} free, ${totalBytes} in all`,
  };
}

/** Says where `found` differs from `expected`, which begins at `offsetBytes` of its file. */
export function wrongBytes(found: Uint8Array, expected: Uint8Array, offsetBytes: number): string | undefined {
  if (sameBytes(found, expected)) return undefined;
  const common = Math.min(found.length, expected.length);
  let at = 0;
  while (at < common && found[at] === expected[at]) at++;
  if (at === common) return `${found.length} bytes from ${offsetBytes}, expected ${expected.length}`;
  return (
    `byte ${offsetBytes + at} is ${found[at]} (${describeBytes(found, at)}), ` +
    `expected ${expected[at]} (${describeBytes(expected, at)})`
  );
}

function applyWrite(model: Model, call: Call, file: OpenFile, offsetBytes: number, bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  const moment = model.history.advance(call.label, undefined);
  model.touch(moment, file.inode);
  file.content.write(moment, offsetBytes, bytes);
}

function regularFile(model: Model, number: number): Refusal | OpenFile {
  const inode = model.find(number);
  if (inode === undefined) return model.missing(number);
  if (inode.content === undefined) return fails("IsDirectory", "InvalidArgument");
  return { inode, content: inode.content };
}

function wrongXattrName(name: Uint8Array): ReadonlyArray<FsReason> {
  const isWrong = name.length === 0 || name.length > XATTR_NAME_BYTES_MAX;
  return isWrong ? ["InvalidArgument", "ResultTooLarge", "NameTooLong"] : [];
}
