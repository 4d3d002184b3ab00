import { expect, it } from "vitest";
import { aclAfterChmod, aclOf, encodeAcl, isAccessAcl, isMereMode, modeOfAcl } from "./posix-acl.ts";

/** What `setfacl -m u:12:rw` makes of a file with mode 640: version 2, then owner, user 12, group, mask, other. */
const GOLDEN = Uint8Array.from(
  Buffer.from("0200000001000600ffffffff020006000c00000004000400ffffffff10000600ffffffff20000000ffffffff", "hex"),
);

it("decodes what the kernel passes, and encodes the same bytes", () => {
  const acl = aclOf(GOLDEN);
  expect(acl?.map(({ tag, permissions }) => [tag, permissions])).toEqual([
    [0x01, 6],
    [0x02, 6],
    [0x04, 4],
    [0x10, 6],
    [0x20, 0],
  ]);
  expect(encodeAcl(acl!)).toEqual(GOLDEN);
  expect(isMereMode(acl!)).toBe(false);
});

it("shows the mask as group bits, and a chmod goes into the mask", () => {
  const acl = aclOf(GOLDEN)!;
  expect(modeOfAcl(acl).toString(8)).toBe("660");
  const after = aclAfterChmod(acl, 0o751);
  expect(modeOfAcl(after).toString(8)).toBe("751");
  expect(after.find(({ tag }) => tag === 0x04)?.permissions).toBe(4);
});

it("refuses what is cut short, of another version, of an unknown tag, or without a mask where one must be", () => {
  expect(aclOf(GOLDEN.subarray(0, 3))).toBeUndefined();
  expect(aclOf(GOLDEN.subarray(0, 43))).toBeUndefined();
  expect(aclOf(GOLDEN.with(0, 3))).toBeUndefined();
  expect(aclOf(GOLDEN.with(4, 3))).toBeUndefined();
  expect(aclOf(GOLDEN.with(6, 8))).toBeUndefined();
  const acl = aclOf(GOLDEN)!;
  expect(aclOf(encodeAcl(acl.filter(({ tag }) => tag !== 0x10)))).toBeUndefined();
  expect(isMereMode(aclOf(encodeAcl(acl.filter(({ tag }) => tag !== 0x10 && tag !== 0x02)))!)).toBe(true);
});

it("knows the attribute of the access ACL from others", () => {
  const named = (name: string) => isAccessAcl(new TextEncoder().encode(name));
  expect(named("system.posix_acl_access")).toBe(true);
  expect(named("system.posix_acl_default")).toBe(false);
});
