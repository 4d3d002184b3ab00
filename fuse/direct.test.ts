/**
 * The transport without a kernel: messages made by hand.
 */
import * as Effect from "effect/Effect";
import { describe, expect, it, vi } from "vitest";
import { DirectTransport } from "./direct.ts";
import { InitFlag, Opcode, RESENT } from "./protocol/opcodes.ts";
import type { Outliving, TransportServices } from "./transport.ts";
import { withPool } from "./test-pool.ts";

const services = (reports: Array<string>): TransportServices => ({
  run: (effect, ended) => void Effect.runFork(effect).addObserver(ended),
  report: (line) => void reports.push(line),
});

function message(opcode: number, inode: number, ...body: ReadonlyArray<number | string>): Uint8Array {
  const parts = body.map((part) => {
    if (typeof part === "string") return Buffer.from(`${part}\0`);
    const word = Buffer.alloc(4);
    word.writeUInt32LE(part);
    return word;
  });
  const bytes = Buffer.concat([Buffer.alloc(40), ...parts]);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt32LE(opcode, 4);
  bytes.writeUInt32LE(42, 8);
  bytes.writeUInt32LE(inode, 16);
  return Uint8Array.from(bytes);
}

interface Answered {
  readonly errno: number;
  readonly body: Buffer;
}

const withTransport = (
  body: (
    ask: (...parts: Parameters<typeof message>) => Promise<Answered | undefined>,
    transport: DirectTransport,
    reports: ReadonlyArray<string>,
    /** Meanwhile the kernel takes no answer. */
    lose: (use: () => Promise<void>) => Promise<void>,
  ) => Promise<void>,
): Promise<void> =>
  withPool((pool) => {
    const reports: Array<string> = [];
    const options = { entrySeconds: 1, attributeSeconds: 1, acls: true, writebackCache: true };
    const transport = new DirectTransport(pool, services(reports), options);
    let lost = false;
    const lose = async (use: () => Promise<void>): Promise<void> => {
      lost = true;
      await use();
      lost = false;
    };
    const ask = (...parts: Parameters<typeof message>): Promise<Answered | undefined> =>
      new Promise((settle) =>
        transport.take(message(...parts), (...answer) => {
          const whole = Buffer.concat(answer);
          if (whole.length === 0) {
            settle(undefined);
            return true;
          }
          expect(whole.readUInt32LE(0)).toBe(whole.length);
          expect(whole.readUInt32LE(8)).toBe(42);
          settle({ errno: Math.abs(whole.readInt32LE(4)), body: whole.subarray(16) });
          return !lost;
        }),
      );
    return Effect.promise(() => body(ask, transport, reports, lose));
  });

it("negotiates what the kernel offers and no more", () =>
  withTransport(async (ask) => {
    const offered = InitFlag.asyncRead | InitFlag.posixAcl | (1 << 27);
    const { errno, body } = (await ask(Opcode.init, 0, 7, 45, 131_072, offered, 0))!;
    expect(errno).toBe(0);
    expect([body.readUInt32LE(0), body.readUInt32LE(4)]).toEqual([7, 36]);
    expect(body.readUInt32LE(12)).toBe(InitFlag.asyncRead | InitFlag.posixAcl);
  }));

it("of a server that took over knows that nothing more is sent again soon behind what is new, not before", () =>
  withPool((pool) =>
    Effect.sync(() => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      let over = 0;
      const outliving: Outliving = {
        filesystemFor: (_request, user) => pool.filesystemFor(user),
        atOnceFor: (_request, user) => pool.atOnceFor(user),
        answered: () => {},
        allResent: () => over++,
        tookOver: true,
        forgotten: pool.forgotten,
        note: new Uint8Array(0),
        keepNote: () => {},
      };
      const options = { entrySeconds: 1, attributeSeconds: 1, acls: true, writebackCache: true };
      const transport = new DirectTransport(pool, { ...services([]), outliving }, options);
      const take = (upper: number): void => {
        const bytes = message(Opcode.getattr, 1, 0, 0, 0, 0);
        new DataView(bytes.buffer).setUint32(12, upper, true);
        transport.take(bytes, () => true);
      };
      for (let count = 0; count < 3; count++) {
        take(RESENT);
        vi.advanceTimersByTime(2000);
      }
      expect(over).toBe(0);
      take(0);
      expect(over).toBe(0);
      vi.advanceTimersByTime(1000);
      expect(over).toBe(1);
      take(0);
      vi.advanceTimersByTime(20_000);
      expect(over).toBe(1);
      vi.useRealTimers();
    }),
  ).finally(() => vi.useRealTimers()));

it("refuses a kernel that is too old, and says so", () =>
  withTransport(async (ask, _transport, reports) => {
    expect((await ask(Opcode.init, 0, 7, 19, 0, 0))!.errno).toBe(71);
    expect(reports).toEqual(["the kernel speaks version 7.19 of FUSE, too old"]);
  }));

it("lists a directory in pieces, each entry once, dots included", () =>
  withTransport(async (ask) => {
    for (let i = 0; i < 50; i++) await ask(Opcode.mknod, 1, 0o100644, 0, 0, 0, `file-${i}`);
    const names: Array<string> = [];
    let offset = 0n;
    for (;;) {
      const low = Number(offset & 0xffff_ffffn);
      const { body } = (await ask(Opcode.readdir, 1, 0, 0, low, Number(offset >> 32n), 200, 0, 0, 0, 0, 0))!;
      if (body.length === 0) break;
      expect(body.length).toBeLessThanOrEqual(200);
      for (let at = 0; at < body.length;) {
        const length = body.readUInt32LE(at + 16);
        names.push(body.subarray(at + 24, at + 24 + length).toString());
        offset = body.readBigUInt64LE(at + 8);
        at += (24 + length + 7) & ~7;
      }
    }
    const made = Array.from({ length: 50 }, (_, i) => `file-${i}`);
    expect(names.slice(0, 2)).toEqual([".", ".."]);
    expect(names.toSorted()).toEqual([".", "..", ...made].toSorted());
  }));

it("answers a missing name so that the kernel may remember it", () =>
  withTransport(async (ask) => {
    const { errno, body } = (await ask(Opcode.lookup, 1, "none"))!;
    expect([errno, body.length, body.readUInt32LE(0), body.readUInt32LE(16)]).toEqual([0, 128, 0, 1]);
  }));

it("asks for the length of an attribute, then takes it, and refuses too little room", () =>
  withTransport(async (ask) => {
    await ask(Opcode.setxattr, 1, 4, 0, "user.a", "xyz");
    const length = (await ask(Opcode.getxattr, 1, 0, 0, "user.a"))!;
    expect(length.body.readUInt32LE(0)).toBe(4);
    expect((await ask(Opcode.getxattr, 1, 4, 0, "user.a"))!.body.toString()).toBe("xyz\0");
    expect((await ask(Opcode.getxattr, 1, 3, 0, "user.a"))!.errno).toBe(34);
    expect((await ask(Opcode.listxattr, 1, 100, 0))!.body.toString()).toBe("user.a\0");
  }));

it("gives no answer where the kernel wants none, and ENOSYS for what it does not know", () =>
  withTransport(async (ask) => {
    expect(await ask(Opcode.forget, 1, 1, 0)).toBeUndefined();
    expect(await ask(Opcode.interrupt, 0, 1, 0)).toBeUndefined();
    expect((await ask(25, 1))!.errno).toBe(38);
    expect((await ask(9999, 1))!.errno).toBe(38);
  }));

it("answers a message that makes no sense with EIO and reports it, and everything with an error after the end", () =>
  withTransport(async (ask, transport, reports) => {
    expect((await ask(Opcode.lookup, 1, 0x61616161))!.errno).toBe(5);
    expect(reports.join()).toContain("a name without an end");
    await Effect.runPromise(transport.close);
    expect((await ask(Opcode.getattr, 1, 0, 0, 0, 0))!.errno).toBe(107);
  }));

it("makes a file without a name, which a link gives one", () =>
  withTransport(async (ask) => {
    const made = (await ask(Opcode.tmpfile, 1, 0, 0o100640, 0o022, 0, "/"))!;
    expect([made.errno, made.body.length]).toEqual([0, 144]);
    const inode = made.body.readUInt32LE(0);
    expect(made.body.readUInt32LE(40 + 64)).toBe(0);
    const linked = (await ask(Opcode.link, 1, inode, 0, "name"))!;
    expect([linked.errno, linked.body.readUInt32LE(0), linked.body.readUInt32LE(40 + 64)]).toEqual([0, inode, 1]);
    expect((await ask(Opcode.lookup, 1, "name"))!.body.readUInt32LE(0)).toBe(inode);
    await ask(Opcode.unlink, 1, "name");
    expect((await ask(Opcode.getattr, inode, 0, 0, 0, 0))!.errno).toBe(0);
    // Made, linked, looked up.
    await ask(Opcode.forget, inode, 3, 0);
    expect((await ask(Opcode.getattr, inode, 0, 0, 0, 0))!.errno).toBe(2);
  }));

it("a file without a name goes when the kernel forgets it", () =>
  withTransport(async (ask) => {
    const inode = (await ask(Opcode.tmpfile, 1, 0, 0o100640, 0o022, 0, "/"))!.body.readUInt32LE(0);
    expect((await ask(Opcode.getattr, inode, 0, 0, 0, 0))!.errno).toBe(0);
    await ask(Opcode.forget, inode, 1, 0);
    expect((await ask(Opcode.getattr, inode, 0, 0, 0, 0))!.errno).toBe(2);
  }));

it("copies inside the server, and says how much as either request wants it", () =>
  withTransport(async (ask) => {
    const inodes: Array<number> = [];
    for (const name of ["a", "b"]) {
      inodes.push((await ask(Opcode.mknod, 1, 0o100644, 0, 0, 0, name))!.body.readUInt32LE(0));
    }
    const [from, to] = inodes as [number, number];
    await ask(Opcode.write, from, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, "words");
    for (const [opcode, offset] of [
      [Opcode.copyFileRange, 0],
      [Opcode.copyFileRangeWide, 3],
    ] as const) {
      const { errno, body } = (await ask(opcode, from, 0, 0, 1, 0, to, 0, 0, 0, offset, 0, 3, 0, 0, 0))!;
      expect([errno, body.length, body.readUInt32LE(0), body.readUInt32LE(4)]).toEqual([0, 8, 3, 0]);
    }
    expect((await ask(Opcode.read, to, 0, 0, 0, 0, 100, 0, 0, 0, 0, 0))!.body.toString()).toBe("ordord");
  }));

it("answers those ioctls that have an answer, with no more bytes than programs have room for", () =>
  withTransport(async (ask) => {
    const ioctl = (command: number, inBytes: number, outBytes: number, ...data: ReadonlyArray<number>) =>
      ask(Opcode.ioctl, 1, 0, 0, 0, command, 0, 0, inBytes, outBytes, ...data);
    const [getFlags, setFlags, getVersion, trim] = [0x80086601, 0x40086602, 0x80087601, 0xc0185879] as const;
    const flags = (await ioctl(getFlags, 0, 4))!;
    expect([flags.errno, flags.body.readInt32LE(0), flags.body.length]).toEqual([0, 0, 20]);
    expect((await ioctl(getVersion, 0, 8))!.body.length).toBe(20);
    expect((await ioctl(setFlags, 4, 0, 0))!.errno).toBe(0);
    expect((await ioctl(setFlags, 4, 0, 0x10))!.errno).toBe(95);
    expect((await ioctl(setFlags, 4, 0, 0x404))!.errno).toBe(22);
    expect((await ioctl(setFlags, 0, 0))!.errno).toBe(22);
    expect((await ioctl(setFlags, 4, 0, 0x400))!.errno).toBe(0);
    expect((await ioctl(getFlags, 0, 4))!.body.readUInt32LE(16)).toBe(0x400);
    expect((await ioctl(trim, 24, 24, 0, 0, 0, 0, 0, 0))!.errno).toBe(25);
  }));

describe("what has lost its last name stays until the kernel has given all its references back", () => {
  const inodeOf = ({ body }: Answered): number => Number(body.readBigUInt64LE(0));
  const GONE = 2;

  it("one for each answer that told of it, of whatever kind", () =>
    withTransport(async (ask) => {
      const inode = inodeOf((await ask(Opcode.create, 1, 0, 0o100644, 0, 0, "file"))!);
      await ask(Opcode.lookup, 1, "file");
      await ask(Opcode.link, 1, inode, 0, "second");
      await ask(Opcode.readdirplus, 1, 0, 0, 0, 0, 4096, 0, 0, 0, 0, 0);
      for (const name of ["file", "second"]) expect((await ask(Opcode.unlink, 1, name))!.errno).toBe(0);
      const alive = async (): Promise<number> => (await ask(Opcode.getattr, inode, 0, 0, 0, 0))!.errno;
      // Created, looked up, linked, and listed under two names.
      await ask(Opcode.forget, inode, 4, 0);
      expect(await alive()).toBe(0);
      await ask(Opcode.batchForget, 0, 1, 0, inode, 0, 1, 0);
      expect(await alive()).toBe(GONE);
    }));

  it("also where it is replaced, or is a directory", () =>
    withTransport(async (ask) => {
      const file = inodeOf((await ask(Opcode.mknod, 1, 0o100644, 0, 0, 0, "file"))!);
      await ask(Opcode.mknod, 1, 0o100644, 0, 0, 0, "next");
      const directory = inodeOf((await ask(Opcode.mkdir, 1, 0o755, 0, "directory"))!);
      expect((await ask(Opcode.rename, 1, 1, 0, "next", "file"))!.errno).toBe(0);
      expect((await ask(Opcode.rmdir, 1, "directory"))!.errno).toBe(0);
      for (const inode of [file, directory]) {
        expect((await ask(Opcode.getattr, inode, 0, 0, 0, 0))!.errno).toBe(0);
        await ask(Opcode.forget, inode, 1, 0);
        expect((await ask(Opcode.getattr, inode, 0, 0, 0, 0))!.errno).toBe(GONE);
      }
    }));

  it("an answer that the kernel did not take does not count", () =>
    withTransport(async (ask, _transport, _reports, lose) => {
      const inode = inodeOf((await ask(Opcode.create, 1, 0, 0o100644, 0, 0, "file"))!);
      await lose(async () => {
        await ask(Opcode.lookup, 1, "file");
        await ask(Opcode.readdirplus, 1, 0, 0, 0, 0, 4096, 0, 0, 0, 0, 0);
        await ask(Opcode.lookup, 1, "none");
      });
      await ask(Opcode.unlink, 1, "file");
      await ask(Opcode.forget, inode, 1, 0);
      expect((await ask(Opcode.getattr, inode, 0, 0, 0, 0))!.errno).toBe(GONE);
    }));

  it("and what the kernel has forgotten before goes with its last name", () =>
    withTransport(async (ask) => {
      const inode = inodeOf((await ask(Opcode.create, 1, 0, 0o100644, 0, 0, "file"))!);
      await ask(Opcode.forget, inode, 1, 0);
      await ask(Opcode.unlink, 1, "file");
      expect((await ask(Opcode.getattr, inode, 0, 0, 0, 0))!.errno).toBe(GONE);
    }));

  it("unless the mount ends before", () =>
    withTransport(async (ask, transport, reports) => {
      await ask(Opcode.create, 1, 0, 0o100644, 0, 0, "file");
      await ask(Opcode.unlink, 1, "file");
      await Effect.runPromise(transport.close);
      await Effect.runPromise(transport.close);
      expect(reports).toEqual([]);
    }));
});

it("a kernel that can opens without a message, another is answered", () =>
  withTransport(async (ask) => {
    await ask(Opcode.init, 0, 7, 45, 131_072, InitFlag.openWithoutMessage, 0);
    expect((await ask(Opcode.open, 1, 0, 0))!.errno).toBe(38);
    expect((await ask(Opcode.opendir, 1, 0, 0))!.errno).toBe(0);
    await ask(Opcode.init, 0, 7, 45, 131_072, InitFlag.openDirectoryWithoutMessage, 0);
    expect((await ask(Opcode.open, 1, 0, 0))!.errno).toBe(0);
    expect((await ask(Opcode.opendir, 1, 0, 0))!.errno).toBe(38);
    expect((await ask(Opcode.release, 1, 0, 0, 0, 0, 0, 0))!.errno).toBe(0);
  }));

it("finds an inode by its number alone, and its parent, for file handles", () =>
  withTransport(async (ask) => {
    const made = (await ask(Opcode.mkdir, 1, 0o755, 0, "directory"))!.body.readUInt32LE(0);
    const inner = (await ask(Opcode.mkdir, made, 0o700, 0, "inner"))!.body.readUInt32LE(0);
    for (const [inode, name, found] of [
      [inner, ".", inner],
      [inner, "..", made],
      [made, "..", 1],
      [1, "..", 1],
    ] as const) {
      const { errno, body } = (await ask(Opcode.lookup, inode, name))!;
      expect([errno, body.readUInt32LE(0), body.readUInt32LE(40)]).toEqual([0, found, found]);
    }
    await ask(Opcode.rmdir, made, "inner");
    await ask(Opcode.forget, inner, 2, 0);
    expect((await ask(Opcode.lookup, inner, "."))!.body.readUInt32LE(0)).toBe(0);
    expect((await ask(Opcode.lookup, 1, "..."))!.body.readUInt32LE(0)).toBe(0);
  }));
