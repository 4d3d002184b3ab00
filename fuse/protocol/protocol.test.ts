import { describe, expect, it } from "vitest";
import { type Attributes, FileType } from "../../engine/fs/types.ts";
import {
  encodeAttributes,
  encodeCreated,
  encodeEntry,
  encodeInit,
  encodeInvalidInode,
  encodeNoEntry,
  encodeIoctl,
  encodeStatistics,
  encodeStatx,
  EntryWriter,
  header,
} from "./reply.ts";
import { decodeSetattr, KernelRequest } from "./request.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const lifetimes = { entrySeconds: 600, attributeSeconds: 1.5 };

const attributes: Attributes = {
  inode: 2 ** 33 + 5,
  mode: FileType.regular | 0o640,
  links: 2,
  uid: 1000,
  gid: 1001,
  rdev: 0,
  compression: 0,
  sizeBytes: 2 ** 40 + 1,
  allocatedBytes: 513,
  accessed: { seconds: -1, nanoseconds: 500_000_000 },
  modified: { seconds: 1_700_000_000, nanoseconds: 123_456_789 },
  changed: { seconds: 2 ** 33, nanoseconds: 1 },
  born: { seconds: 0, nanoseconds: 0 },
};

/** `struct fuse_attr` of these attributes, field by field. */
const GOLDEN_ATTRIBUTES = [
  "0500000002000000", // ino
  "0100000000010000", // size
  "0200000000000000", // blocks
  "ffffffffffffffff", // atime
  "00f1536500000000", // mtime
  "0000000002000000", // ctime
  "0065cd1d15cd5b0701000000", // nanoseconds of the three
  "a081000002000000", // mode, nlink
  "e8030000e9030000", // uid, gid
  "0000000000100000", // rdev, blksize
  "00000000", // flags
].join("");

/** A request of this opcode with this body, from user 7 of group 8, on inode 2^32 + 1. */
function request(opcode: number, body: Uint8Array): KernelRequest {
  const bytes = new Uint8Array(40 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint32(4, opcode, true);
  view.setBigUint64(8, 0x1122334455667788n, true);
  view.setBigUint64(16, 0x1_0000_0001n, true);
  view.setUint32(24, 7, true);
  view.setUint32(28, 8, true);
  bytes.set(body, 40);
  return new KernelRequest(bytes);
}

describe("answers have the bytes of linux/fuse.h:", () => {
  it("header", () => {
    const { view } = request(1, new Uint8Array(0));
    expect(hex(header(view, 2, 8))).toBe("18000000feffffff8877665544332211");
  });

  it("attributes, with times before 1970 and sizes above 32 bits", () => {
    expect(hex(encodeAttributes(attributes, lifetimes))).toBe(`01000000000000000065cd1d00000000${GOLDEN_ATTRIBUTES}`);
  });

  it("statx, with the time of birth and the two parts of a device number", () => {
    const device = { ...attributes, mode: FileType.block | 0o600, rdev: 0x1234567 };
    const golden = [
      "01000000000000000065cd1d00000000", // attr_valid, its nanoseconds, flags
      "00".repeat(16), // spare
      "ff0f000000100000", // mask, blksize
      "0000000000000000", // attributes
      "02000000e8030000e9030000", // nlink, uid, gid
      "80610000", // mode
      "0500000002000000", // ino
      "0100000000010000", // size
      "0200000000000000", // blocks
      "0000000000000000", // attributes_mask
      "ffffffffffffffff0065cd1d00000000", // atime
      "00000000000000000000000000000000", // btime
      "00000000020000000100000000000000", // ctime
      "00f153650000000015cd5b0700000000", // mtime
      "45030000671200000000000000000000", // rdev, dev
      "00".repeat(112), // spare
    ].join("");
    expect(hex(encodeStatx(device, lifetimes))).toBe(golden);
  });

  it("an ioctl's answer", () => {
    expect(hex(encodeIoctl(Uint8Array.of(1, 2)))).toBe(`${"00".repeat(16)}0102`);
  });

  it("an entry, its absence, and a created file", () => {
    const times = "58020000000000000100000000000000000000000065cd1d";
    const entry = `05000000020000000000000000000000${times}${GOLDEN_ATTRIBUTES}`;
    expect(hex(encodeEntry(attributes, lifetimes))).toBe(entry);
    expect(hex(encodeCreated(attributes, lifetimes, 2))).toBe(`${entry}00000000000000000200000000000000`);
    const absent = encodeNoEntry(lifetimes);
    expect(absent.length).toBe(128);
    expect(hex(absent.subarray(0, 40))).toBe(`${"00".repeat(16)}5802${"00".repeat(22)}`);
  });

  it("figures of the filesystem", () => {
    const bytes = encodeStatistics({
      blockBytes: 4096,
      totalBytes: 4096 * 1000,
      freeBytes: 4096 * 600,
      availableBytes: 4096 * 500,
      inodes: 10,
      nameBytesMax: 255,
    });
    const view = new DataView(bytes.buffer);
    expect(bytes.length).toBe(80);
    expect([0, 8, 16, 24, 32].map((at) => Number(view.getBigUint64(at, true)))).toEqual([1000, 600, 500, 610, 600]);
    expect([40, 44, 48].map((at) => view.getUint32(at, true))).toEqual([4096, 255, 4096]);
  });

  it("attributes that are not settled with a short life", () => {
    const bytes = encodeAttributes({ ...attributes, unsettled: true }, { entrySeconds: 600, attributeSeconds: 600 });
    expect(hex(bytes.subarray(0, 16))).toBe("01000000000000000000000000000000");
    const never = encodeAttributes({ ...attributes, unsettled: true }, { entrySeconds: 0, attributeSeconds: 0 });
    expect(hex(never.subarray(0, 16))).toBe("00".repeat(16));
  });

  it("what the kernel is told of an inode unasked", () => {
    const told = "2800000002000000000000000000000005000000020000";
    expect(hex(encodeInvalidInode(2 ** 33 + 5, -1))).toBe(`${told}00ffffffffffffffff0000000000000000`);
    expect(hex(encodeInvalidInode(2 ** 33 + 5, 4096))).toBe(`${told}0000100000000000000000000000000000`);
  });

  it("the answer to init", () => {
    const answer = {
      minor: 36,
      readaheadBytes: 131_072,
      flags: 0x80000001,
      writeBytesMax: 1_048_576,
      pagesMax: 256,
      backgroundMax: 64,
    };
    const golden = "0700000024000000000002000100008040003000000010000100000000010000";
    expect(hex(encodeInit(7, answer))).toBe(golden + "00".repeat(32));
  });

  it("entries of a directory, aligned to eight bytes, until there is no more room", () => {
    const writer = new EntryWriter(24 + 8 + 24);
    const name = new TextEncoder().encode("abc");
    expect(writer.add({ name, inode: 9, type: FileType.directory, cookie: 2 ** 40 })).toBe(true);
    expect(writer.add({ name, inode: 10, type: FileType.regular, cookie: 5 })).toBe(false);
    expect(hex(writer.finished)).toBe("0900000000000000000000000001000003000000040000006162630000000000");
  });

  it("entries with attributes, or with none where they could not be had", () => {
    const writer = new EntryWriter(400);
    const name = new TextEncoder().encode("abcdefgh");
    const entry = { name, inode: attributes.inode, type: FileType.regular, cookie: 1 };
    expect(writer.addPlus(entry, attributes, lifetimes)).toBe(true);
    expect(writer.addPlus(entry, undefined, lifetimes)).toBe(true);
    expect(writer.addPlus(entry, undefined, lifetimes)).toBe(false);
    const bytes = writer.finished;
    expect(bytes.length).toBe(2 * (128 + 32));
    expect(hex(bytes.subarray(0, 128))).toBe(hex(encodeEntry(attributes, lifetimes)));
    expect(bytes.subarray(160, 288).every((byte) => byte === 0)).toBe(true);
  });
});

describe("requests are read as linux/fuse.h has them:", () => {
  it("header, numbers, names and data behind each other", () => {
    const body = Buffer.from("0100000000000000020000000300000061620063006465", "hex");
    const asked = request(35, body);
    expect([asked.opcode, asked.inode, asked.uid, asked.gid]).toEqual([35, 2 ** 32 + 1, 7, 8]);
    expect([asked.u64(), asked.u32(), asked.u32()]).toEqual([1, 2, 3]);
    expect([asked.name(), asked.name()].map((name) => Buffer.from(name).toString())).toEqual(["ab", "c"]);
    expect(Buffer.from(asked.data(2)).toString()).toBe("de");
    expect(() => asked.data(1)).toThrow("less data than announced");
    expect(() => asked.name()).toThrow("a name without an end");
  });

  it("setattr takes the fields that are said to count, and no others", () => {
    const body = new Uint8Array(88).fill(0xff);
    const view = new DataView(body.buffer);
    const decode = (valid: number) => {
      view.setUint32(0, valid, true);
      return decodeSetattr(request(4, body));
    };
    expect(decode(0)).toEqual({});
    view.setBigInt64(32, -2n, true);
    view.setUint32(56, 7, true);
    view.setUint32(68, 0o100644, true);
    view.setUint32(76, 1000, true);
    view.setBigUint64(16, 2n ** 41n, true);
    expect(decode(0b11011)).toEqual({
      mode: 0o100644,
      uid: 1000,
      sizeBytes: 2 ** 41,
      accessed: { seconds: -2, nanoseconds: 7 },
    });
    expect(decode(0x20 | 0x100)).toEqual({ modified: "now" });
    view.setBigInt64(48, 9n, true);
    view.setUint32(64, 3, true);
    expect(decode(0x400 | 0x800)).toEqual({ changed: { seconds: 9, nanoseconds: 3 }, killPrivileges: true });
  });
});
