/**
 * What a device seems to hold, so that nobody's data is formatted away by accident.
 *
 * Looks at the signatures of what is commonly found on disks and in files, and at whether the first or last bytes are
 * anything but zeros. A pool of this engine is not known here: its superblock is the engine's business. Reads only.
 */
import * as Effect from "effect/Effect";
import type { Device, DeviceError } from "./device.ts";

/** Bytes at the start and at the end of the device that are looked at. */
const PROBED_BYTES = 128 * 1024;

interface Signature {
  readonly what: string;
  readonly offsetBytes: number;
  readonly magic: string | ReadonlyArray<number>;
}

/** The more telling ones first: a boot sector's mark stands in front of many filesystems. */
const SIGNATURES: ReadonlyArray<Signature> = [
  { what: "an ext2, ext3 or ext4 filesystem", offsetBytes: 1080, magic: [0x53, 0xef] },
  { what: "an XFS filesystem", offsetBytes: 0, magic: "XFSB" },
  { what: "a btrfs filesystem", offsetBytes: 65_600, magic: "_BHRfS_M" },
  { what: "a bcachefs filesystem or cache", offsetBytes: 4120, magic: [0xc6, 0x85, 0x73, 0xf6] },
  { what: "an F2FS filesystem", offsetBytes: 1024, magic: [0x10, 0x20, 0xf5, 0xf2] },
  { what: "swap space", offsetBytes: 4086, magic: "SWAPSPACE2" },
  { what: "swap space", offsetBytes: 4086, magic: "SWAP-SPACE" },
  { what: "an encrypted (LUKS) volume", offsetBytes: 0, magic: [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe] },
  { what: "an LVM volume", offsetBytes: 512, magic: "LABELONE" },
  { what: "a member of a RAID array", offsetBytes: 4096, magic: [0xfc, 0x4e, 0x2b, 0xa9] },
  { what: "a member of a RAID array", offsetBytes: 0, magic: [0xfc, 0x4e, 0x2b, 0xa9] },
  { what: "a squashfs image", offsetBytes: 0, magic: "hsqs" },
  { what: "an ISO 9660 image", offsetBytes: 32_769, magic: "CD001" },
  { what: "a qcow2 image", offsetBytes: 0, magic: [0x51, 0x46, 0x49, 0xfb] },
  { what: "an NTFS filesystem", offsetBytes: 3, magic: "NTFS    " },
  { what: "an exFAT filesystem", offsetBytes: 3, magic: "EXFAT   " },
  { what: "a FAT filesystem", offsetBytes: 54, magic: "FAT" },
  { what: "a FAT filesystem", offsetBytes: 82, magic: "FAT32" },
  { what: "a zip archive", offsetBytes: 0, magic: [0x50, 0x4b, 0x03, 0x04] },
  { what: "gzip data", offsetBytes: 0, magic: [0x1f, 0x8b, 0x08] },
  { what: "xz data", offsetBytes: 0, magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a] },
  { what: "zstd data", offsetBytes: 0, magic: [0x28, 0xb5, 0x2f, 0xfd] },
  { what: "a tar archive", offsetBytes: 257, magic: "ustar" },
  { what: "a program", offsetBytes: 0, magic: [0x7f, 0x45, 0x4c, 0x46] },
  { what: "an SQLite database", offsetBytes: 0, magic: "SQLite format 3" },
  { what: "a GPT partition table", offsetBytes: 512, magic: "EFI PART" },
  { what: "a GPT partition table", offsetBytes: 4096, magic: "EFI PART" },
  { what: "a partition table or boot sector", offsetBytes: 510, magic: [0x55, 0xaa] },
];

function matches(bytes: Uint8Array, { offsetBytes, magic }: Signature): boolean {
  if (offsetBytes + magic.length > bytes.length) return false;
  for (let index = 0; index < magic.length; index++) {
    const wanted = typeof magic === "string" ? magic.charCodeAt(index) : magic[index];
    if (bytes[offsetBytes + index] !== wanted) return false;
  }
  return true;
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/** What the device seems to hold, in words that follow "holds"; undefined if nothing. */
export function probeContents(device: Device): Effect.Effect<string | undefined, DeviceError> {
  const { capacityBytes } = device.geometry;
  const length = Math.min(PROBED_BYTES, capacityBytes);
  return Effect.gen(function* () {
    const head = yield* device.read(0, length);
    const known = SIGNATURES.find((signature) => matches(head, signature));
    if (known !== undefined) return known.what;
    if (!isZero(head)) return "data that is not known";
    const tail = yield* device.read(capacityBytes - length, length);
    return isZero(tail) ? undefined : "data at its end that is not known";
  });
}
