import * as Effect from "effect/Effect";
import { describe, expect, it } from "vitest";
import { resumed } from "../engine/fs/resumed.ts";
import { type Filesystem, FileType, FsError, ROOT_INODE } from "../engine/fs/types.ts";
import { Errno, errnoOf } from "./errno.ts";
import { Operations } from "./operations.ts";
import { FallocateFlag, OpenFlag, RenameFlag, Whence, XattrFlag } from "./requests.ts";
import { bytes, NOW, withOperations } from "./test-pool.ts";

const ALICE = { uid: 1000, gid: 1001, umask: 0 };

/** The error number that an effect fails with. */
const errno = (effect: Effect.Effect<unknown, unknown>): Effect.Effect<number> =>
  Effect.map(Effect.exit(effect), errnoOf);

describe("new inodes", () => {
  it("belong to their caller, in a set-group-ID directory to its group, and without a caller to the directory's owner", () =>
    withOperations((operations) =>
      Effect.gen(function* () {
        const own = yield* operations.create(ROOT_INODE, bytes("own"), 0o644, ALICE);
        expect([own.uid, own.gid, own.mode]).toEqual([1000, 1001, FileType.regular | 0o644]);
        const shared = yield* operations.mkdir(ROOT_INODE, bytes("shared"), 0o755, { uid: 5, gid: 6, umask: 0 });
        yield* operations.setattr(shared.inode, { mode: 0o2775 });
        const file = yield* operations.mknod(shared.inode, bytes("file"), FileType.fifo | 0o600, 0, ALICE);
        expect([file.uid, file.gid]).toEqual([1000, 6]);
        const inner = yield* operations.mkdir(shared.inode, bytes("inner"), 0o700, ALICE);
        expect([inner.gid, inner.mode]).toEqual([6, FileType.directory | 0o2700]);
        const unknown = yield* operations.symlink(shared.inode, bytes("link"), bytes("x"), undefined);
        expect([unknown.uid, unknown.gid]).toEqual([5, 6]);
      }),
    ));

  it("have no permission of the umask, or what the directory's default ACL gives instead", () =>
    withOperations((operations) =>
      Effect.gen(function* () {
        const caller = { ...ALICE, umask: 0o027 };
        const plain = yield* operations.create(ROOT_INODE, bytes("plain"), 0o666, caller);
        expect(plain.mode & 0o777).toBe(0o640);
        const directory = yield* operations.mkdir(ROOT_INODE, bytes("directory"), 0o777, caller);
        // user::rwx user:12:rwx group::r-x mask::rwx other::---
        const acl = "0200000001000700ffffffff020007000c00000004000500ffffffff10000700ffffffff20000000ffffffff";
        const value = Uint8Array.from(Buffer.from(acl, "hex"));
        yield* operations.setxattr(directory.inode, bytes("system.posix_acl_default"), value, 0);
        const file = yield* operations.create(directory.inode, bytes("file"), 0o664, caller);
        expect(file.mode & 0o777).toBe(0o660);
        expect(yield* operations.getxattr(file.inode, bytes("system.posix_acl_access"))).toHaveLength(44);
        const inner = yield* operations.mkdir(directory.inode, bytes("inner"), 0o755, caller);
        expect(inner.mode & 0o777).toBe(0o750);
        expect(yield* operations.getxattr(inner.inode, bytes("system.posix_acl_default"))).toEqual(value);
      }),
    ));

  it("stay alive, once created, until they are released", () =>
    withOperations((operations) =>
      Effect.gen(function* () {
        const { inode } = yield* operations.create(ROOT_INODE, bytes("file"), 0o600, ALICE);
        yield* operations.write(inode, 0, bytes("here"));
        yield* operations.unlink(ROOT_INODE, bytes("file"));
        expect(yield* operations.read(inode, 0, 10)).toEqual(bytes("here"));
        yield* operations.release(inode);
        expect(yield* errno(operations.getattr(inode))).toBe(Errno.ENOENT);
      }),
    ));
});

describe("attributes", () => {
  it("take numbers, 'now', and owners that are left alone", () =>
    withOperations((operations) =>
      Effect.gen(function* () {
        const { inode } = yield* operations.create(ROOT_INODE, bytes("file"), 0o600, ALICE);
        const changed = yield* operations.setattr(inode, {
          mode: FileType.directory | 0o4711,
          uid: 0xffff_ffff,
          gid: 7,
          sizeBytes: 10,
          accessed: { seconds: -5, nanoseconds: 9 },
          modified: "now",
        });
        expect(changed).toMatchObject({
          mode: FileType.regular | 0o4711,
          uid: 1000,
          gid: 7,
          sizeBytes: 10,
          accessed: { seconds: -5, nanoseconds: 9 },
          modified: NOW,
        });
      }),
    ));

  it("opening with O_TRUNC empties a file that is opened for writing, and no other", () =>
    withOperations((operations) =>
      Effect.gen(function* () {
        const { inode } = yield* operations.create(ROOT_INODE, bytes("file"), 0o600, ALICE);
        yield* operations.write(inode, 0, bytes("content"));
        yield* operations.open(inode, OpenFlag.truncate | OpenFlag.readOnly);
        expect((yield* operations.getattr(inode)).sizeBytes).toBe(7);
        yield* operations.open(inode, OpenFlag.truncate | OpenFlag.writeOnly);
        expect((yield* operations.getattr(inode)).sizeBytes).toBe(0);
      }),
    ));

  it("flags of setxattr and of an unknown kind", () =>
    withOperations((operations) =>
      Effect.gen(function* () {
        const set = (flags: number) => errno(operations.setxattr(ROOT_INODE, bytes("user.a"), bytes("1"), flags));
        expect(yield* set(XattrFlag.replace)).toBe(Errno.ENODATA);
        expect(yield* set(XattrFlag.create)).toBe(0);
        expect(yield* set(XattrFlag.create)).toBe(Errno.EEXIST);
        expect(yield* set(0)).toBe(0);
        expect(yield* set(3)).toBe(Errno.EINVAL);
      }),
    ));
});

describe("an access ACL", () => {
  /** user::rw- user:12:rw- group::r-- mask::rw- other::--- */
  const acl = Uint8Array.from(
    Buffer.from("0200000001000600ffffffff020006000c00000004000400ffffffff10000600ffffffff20000000ffffffff", "hex"),
  );
  /** user::rwx group::r-x other::r-x */
  const mereMode = Uint8Array.from(Buffer.from("0200000001000700ffffffff04000500ffffffff20000500ffffffff", "hex"));
  const name = bytes("system.posix_acl_access");

  it("sets the mode, follows chmod, and goes when it says no more than a mode", () =>
    withOperations((operations) =>
      Effect.gen(function* () {
        const { inode } = yield* operations.create(ROOT_INODE, bytes("file"), 0o4600, ALICE);
        yield* operations.setxattr(inode, name, acl, 0);
        expect((yield* operations.getattr(inode)).mode & 0o7777).toBe(0o4660);
        yield* operations.setattr(inode, { mode: 0o640 });
        expect((yield* operations.getxattr(inode, name))[30]).toBe(4);
        yield* operations.setxattr(inode, name, mereMode, 0);
        expect((yield* operations.getattr(inode)).mode & 0o7777).toBe(0o755);
        expect(yield* errno(operations.getxattr(inode, name))).toBe(Errno.ENODATA);
        expect(yield* errno(operations.setxattr(inode, name, acl.subarray(0, 9), 0))).toBe(Errno.EINVAL);
      }),
    ));

  it("that is a mere mode is left to chmod where the kernel would not notice the change", () =>
    withOperations(
      (operations) =>
        Effect.gen(function* () {
          const { inode } = yield* operations.create(ROOT_INODE, bytes("file"), 0o600, ALICE);
          expect(yield* errno(operations.setxattr(inode, name, mereMode, 0))).toBe(Errno.EOPNOTSUPP);
          yield* operations.setattr(inode, { mode: 0o755 });
          expect(yield* errno(operations.setxattr(inode, name, mereMode, 0))).toBe(0);
        }),
      false,
    ));
});

describe("flags become modes of the engine:", () => {
  it("renameat2", () =>
    withOperations((operations) =>
      Effect.gen(function* () {
        yield* operations.create(ROOT_INODE, bytes("a"), 0o600, ALICE);
        const directory = yield* operations.mkdir(ROOT_INODE, bytes("b"), 0o700, ALICE);
        const rename = (flags: number) =>
          errno(operations.rename(ROOT_INODE, bytes("a"), ROOT_INODE, bytes("b"), flags));
        expect(yield* rename(RenameFlag.noReplace)).toBe(Errno.EEXIST);
        expect(yield* rename(RenameFlag.whiteout)).toBe(Errno.EISDIR);
        expect(yield* rename(RenameFlag.whiteout | RenameFlag.exchange)).toBe(Errno.EINVAL);
        expect(yield* rename(RenameFlag.exchange)).toBe(0);
        expect((yield* operations.lookup(ROOT_INODE, bytes("a"))).inode).toBe(directory.inode);
      }),
    ));

  it("fallocate and lseek", () =>
    withOperations((operations) =>
      Effect.gen(function* () {
        const { inode } = yield* operations.create(ROOT_INODE, bytes("file"), 0o600, ALICE);
        const { keepSize, punchHole, zeroRange } = FallocateFlag;
        const size = Effect.map(operations.getattr(inode), ({ sizeBytes }) => sizeBytes);
        yield* operations.fallocate(inode, keepSize, 0, 100_000);
        expect(yield* size).toBe(0);
        yield* operations.fallocate(inode, 0, 0, 100_000);
        expect(yield* size).toBe(100_000);
        yield* operations.write(inode, 0, new Uint8Array(100_000).fill(7));
        yield* operations.fallocate(inode, punchHole | keepSize, 8192, 50_000);
        yield* operations.fallocate(inode, zeroRange, 90_000, 20_000);
        expect(yield* size).toBe(110_000);
        expect(yield* operations.read(inode, 8191, 2)).toEqual(Uint8Array.of(7, 0));
        expect(yield* operations.lseek(inode, 0, Whence.hole)).toBe(8192);
        expect(yield* operations.lseek(inode, 8192, Whence.data)).toBe(58_192);
        expect(yield* errno(operations.lseek(inode, 200_000, Whence.data))).toBe(Errno.ENXIO);
        expect(yield* errno(operations.lseek(inode, 0, 0))).toBe(Errno.EINVAL);
        expect(yield* errno(operations.fallocate(inode, punchHole, 0, 1))).toBe(Errno.EOPNOTSUPP);
        expect(yield* errno(operations.fallocate(inode, 0x40, 0, 1))).toBe(Errno.EOPNOTSUPP);
      }),
    ));
});

it("a listing has every entry of a directory that takes several steps", () =>
  withOperations((operations) =>
    Effect.gen(function* () {
      for (let i = 0; i < 2500; i++) yield* operations.mknod(ROOT_INODE, bytes(`f${i}`), 0o600, 0, ALICE);
      const names = (yield* operations.listing(ROOT_INODE)).map(({ name }) => new TextDecoder().decode(name));
      expect(new Set(names).size).toBe(2500);
      expect(names.length).toBe(2500);
    }),
  ));

it("every failure has its number, and a defect is EIO", () => {
  expect(errnoOf(Effect.runSyncExit(Effect.fail(new FsError("NotEmpty"))))).toBe(39);
  expect(errnoOf(Effect.runSyncExit(Effect.fail({ _tag: "PoolFailed" })))).toBe(5);
  expect(errnoOf(Effect.runSyncExit(Effect.die(new Error("broken"))))).toBe(5);
  expect(errnoOf(Effect.runSyncExit(Effect.void))).toBe(0);
});

// How many privileges there still are says how much there is to take away: asked of the request's own view, this took a
// step of the request for another one, and a write that was sent again was done twice, or not at all.
describe("a request that is sent again", () => {
  const capabilities = bytes("security.capability");

  const again = (steps: ReadonlyArray<number>, privileged: boolean): Promise<string> =>
    withOperations((operations, filesystem) =>
      Effect.gen(function* () {
        const { inode } = yield* operations.create(ROOT_INODE, bytes("file"), 0o755, ALICE);
        yield* operations.write(inode, 0, bytes("later"));
        yield* operations.setattr(inode, { mode: 0o4755 });
        yield* operations.setxattr(inode, capabilities, bytes("all"), 0);
        if (!privileged) yield* operations.dropPrivileges(inode);
        const view = resumed(filesystem, filesystem, steps);
        const retried = new Operations(view, () => NOW, true, filesystem);
        expect(yield* retried.dropPrivileges(inode)).toBe(privileged);
        expect(yield* errno(operations.getxattr(inode, capabilities))).toBe(Errno.ENODATA);
        expect((yield* operations.getattr(inode)).mode & 0o7777).toBe(0o755);
        yield* retried.write(inode, 0, bytes("first"));
        return new TextDecoder().decode(yield* operations.read(inode, 0, 10));
      }),
    );

  it("writes once, whatever privileges the file has left", async () => {
    for (const privileged of [true, false]) {
      expect(await again([], privileged)).toBe("first");
      expect(await again([0], privileged)).toBe("later");
    }
  });

  it("takes an ACL away and leaves the mode that was asked for, wherever it was cut off", () =>
    withOperations((operations, filesystem) =>
      Effect.gen(function* () {
        const name = bytes("system.posix_acl_access");
        // user::rwx user:12:rwx group::r-x mask::rwx other::---, and user::rw- group::r-- other::---
        const acl = "0200000001000700ffffffff020007000c00000004000500ffffffff10000700ffffffff20000000ffffffff";
        const mere = Uint8Array.from(Buffer.from("0200000001000600ffffffff04000400ffffffff20000000ffffffff", "hex"));
        for (const taken of [0, 1, 2]) {
          const { inode } = yield* operations.create(ROOT_INODE, bytes(`acl ${taken}`), 0o644, ALICE);
          yield* operations.setxattr(inode, name, Uint8Array.from(Buffer.from(acl, "hex")), 0);
          const first = counted(filesystem, taken);
          yield* Effect.exit(new Operations(first, () => NOW, true, filesystem).setxattr(inode, name, mere, 0));
          const view = resumed(filesystem, filesystem, new Array<number>(taken).fill(0));
          yield* new Operations(view, () => NOW, true, filesystem).setxattr(inode, name, mere, 0);
          expect((yield* filesystem.getattr(inode)).mode & 0o7777).toBe(0o640);
          expect(yield* errno(operations.getxattr(inode, name))).toBe(Errno.ENODATA);
        }
      }),
    ));
});

/** Takes so many changes and no more, as a process that dies does. */
function counted(filesystem: Filesystem, changes: number): Filesystem {
  let left = changes;
  const limited = <A>(change: Effect.Effect<A, FsError>): Effect.Effect<A, FsError> =>
    Effect.suspend(() => (left-- > 0 ? change : Effect.fail(new FsError("InputOutput"))));
  return Object.assign(Object.create(filesystem) as Filesystem, {
    setattr: (...of: Parameters<Filesystem["setattr"]>) => limited(filesystem.setattr(...of)),
    setxattr: (...of: Parameters<Filesystem["setxattr"]>) => limited(filesystem.setxattr(...of)),
    removexattr: (...of: Parameters<Filesystem["removexattr"]>) => limited(filesystem.removexattr(...of)),
  });
}
