/**
 * The transport without the C code: requests are made by hand, in orders that a mount cannot be made to take.
 */
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import { describe, expect, it } from "vitest";
import type { Filesystem } from "../engine/fs/types.ts";
import type { Binding, Handlers, OperationName, Request, Signal } from "./native-binding.ts";
import { makeNativeTransport } from "./native.ts";
import { withFilesystem } from "./test-pool.ts";

type Answer = readonly [result: number, ...values: ReadonlyArray<unknown>];

/** What libfuse's threads would do, one request at a time or several at once. */
class Threads {
  private readonly waiting: Map<Request, (answer: Answer) => void> = new Map();
  private readonly handlers: Handlers;
  readonly reports: Array<string> = [];
  readonly close: Effect.Effect<void>;

  constructor(filesystem: Filesystem) {
    const signal: Signal = (request, result, ...values) => {
      const settle = this.waiting.get(request);
      if (settle === undefined) throw new Error("a request was answered twice");
      this.waiting.delete(request);
      settle([result, ...values]);
    };
    const binding: Binding = {
      signal: () => signal,
      mount: () => {
        throw new Error("not here");
      },
    };
    const services = {
      run: <A, E>(effect: Effect.Effect<A, E>, ended: (exit: Exit.Exit<A, E>) => void): void => {
        Effect.runFork(effect).addObserver(ended);
      },
      report: (line: string) => void this.reports.push(line),
    };
    const transport = makeNativeTransport(filesystem, binding, services, { attributeSeconds: 0.004, acls: true });
    this.handlers = transport.handlers;
    this.close = transport.close;
  }

  ask(thread: Request, name: OperationName, ...args: ReadonlyArray<unknown>): Promise<Answer> {
    return new Promise((settle) => {
      this.waiting.set(thread, settle);
      (this.handlers[name] as (request: Request, ...args: ReadonlyArray<unknown>) => void)(thread, ...args);
    });
  }
}

const thread = (): Request => new Uint8Array(256) as Request;
const HIDDEN = "/.fuse_hidden0000000200000001";
const ENOENT = -2;
const EIO = -5;

const withThreads = (body: (threads: Threads, filesystem: Filesystem) => Promise<void>): Promise<void> =>
  withFilesystem((filesystem) => Effect.promise(() => body(new Threads(filesystem), filesystem)));

async function names(threads: Threads, directory = "/"): Promise<unknown> {
  const [, listed] = await threads.ask(thread(), "readdir", directory);
  return (listed as ReadonlyArray<string>).filter((name) => !name.startsWith(".")).toSorted();
}

const later = (milliseconds: number): Promise<void> => new Promise((settle) => setTimeout(settle, milliseconds));

async function write(threads: Threads, path: string, text: string): Promise<number> {
  const [, handle] = await threads.ask(thread(), "create", path, 0o644);
  const bytes = Buffer.from(text);
  await threads.ask(thread(), "write", path, handle, bytes, bytes.length, 0, 0);
  return handle as number;
}

async function read(threads: Threads, handle: number): Promise<string> {
  const room = Buffer.alloc(100);
  const [length] = await threads.ask(thread(), "read", "-", handle, room, 100, 0, 0);
  return room.subarray(0, length).toString();
}

describe("a file that libfuse hides because it is open", () => {
  it("has lost its name soon after, without another request", () =>
    withThreads(async (threads) => {
      const handle = await write(threads, "/file", "text");
      expect(await threads.ask(thread(), "rename", "/file", HIDDEN)).toEqual([0]);
      await later(30);
      expect(await names(threads)).toEqual([]);
      expect(await read(threads, handle)).toBe("text");
      const [result, stat] = await threads.ask(thread(), "getattr", HIDDEN);
      expect([result, (stat as Uint32Array)[6]]).toEqual([0, 0]);
    }));

  it("has lost its name at once for everyone who looks", () =>
    withThreads(async (threads) => {
      await write(threads, "/file", "text");
      await threads.ask(thread(), "rename", "/file", HIDDEN);
      const looks = [threads.ask(thread(), "getattr", "/file"), threads.ask(thread(), "open", "/file", 0)];
      for (const [result] of await Promise.all(looks)) expect(result).toBe(ENOENT);
    }));

  it("is replaced in one step when the rename of the same thread follows", () =>
    withThreads(async (threads, filesystem) => {
      const handle = await write(threads, "/file", "old");
      await write(threads, "/next", "new");
      const calls: Array<string> = [];
      const { rename, unlink } = filesystem;
      Object.assign(filesystem, {
        rename: (...args: Parameters<Filesystem["rename"]>) => (calls.push("rename"), rename.apply(filesystem, args)),
        unlink: (...args: Parameters<Filesystem["unlink"]>) => (calls.push("unlink"), unlink.apply(filesystem, args)),
      });
      const one = thread();
      await threads.ask(one, "rename", "/file", HIDDEN);
      await threads.ask(one, "rename", "/next", "/file");
      await later(30);
      expect(calls).toEqual(["rename"]);
      expect(await names(threads)).toEqual(["file"]);
      expect(await read(threads, handle)).toBe("old");
      const [, fresh] = await threads.ask(thread(), "open", "/file", 0);
      expect(await read(threads, fresh as number)).toBe("new");
    }));

  it("is replaced by data that was written before, when the rename comes so late that the name is gone", () =>
    withThreads(async (threads, filesystem) => {
      await write(threads, "/file", "old");
      await write(threads, "/next", "new");
      const calls: Array<string> = [];
      const { rename, fsync } = filesystem;
      Object.assign(filesystem, {
        rename: (...args: Parameters<Filesystem["rename"]>) => (calls.push("rename"), rename.apply(filesystem, args)),
        fsync: (inode: number) => (calls.push("fsync"), fsync.call(filesystem, inode)),
      });
      const one = thread();
      await threads.ask(one, "rename", "/file", HIDDEN);
      while (((await names(threads)) as ReadonlyArray<string>).includes("file")) await later(1);
      await threads.ask(one, "rename", "/next", "/file");
      expect(calls).toEqual(["fsync", "rename"]);
      await write(threads, "/another", "x");
      await threads.ask(one, "rename", "/another", "/file");
      expect(calls).toEqual(["fsync", "rename", "rename"]);
    }));

  it("keeps its name for a rename while this process is not scheduled", () =>
    withThreads(async (threads, filesystem) => {
      await write(threads, "/file", "old");
      await write(threads, "/next", "new");
      let unlinks = 0;
      const { unlink } = filesystem;
      Object.assign(filesystem, {
        unlink: (...args: Parameters<Filesystem["unlink"]>) => (unlinks++, unlink.apply(filesystem, args)),
      });
      const one = thread();
      await threads.ask(one, "rename", "/file", HIDDEN);
      for (let stall = 0; stall < 5; stall++) {
        const until = performance.now() + 30;
        while (performance.now() < until);
        await later(0);
      }
      await threads.ask(one, "rename", "/next", "/file");
      expect(unlinks).toBe(0);
    }));

  it("is forgotten with its last handle, though its directory went before", () =>
    withThreads(async (threads, filesystem) => {
      await threads.ask(thread(), "mkdir", "/directory", 0o755);
      const handle = await write(threads, "/directory/file", "text");
      const [, stat] = await threads.ask(thread(), "getattr", "/directory/file");
      const inode = (stat as Uint32Array)[7]!;
      await threads.ask(thread(), "rename", "/directory/file", `/directory${HIDDEN}`);
      expect(await threads.ask(thread(), "rmdir", "/directory")).toEqual([0]);
      expect(await read(threads, handle)).toBe("text");
      await threads.ask(thread(), "release", "-", handle);
      const exit = await Effect.runPromise(Effect.exit(filesystem.getattr(inode)));
      expect(Exit.isFailure(exit)).toBe(true);
    }));

  it("is released when libfuse unlinks the hidden name", () =>
    withThreads(async (threads, filesystem) => {
      const handle = await write(threads, "/file", "text");
      const [, stat] = await threads.ask(thread(), "getattr", "/file");
      await threads.ask(thread(), "rename", "/file", HIDDEN);
      await later(30);
      await threads.ask(thread(), "release", "/file", handle);
      expect((await threads.ask(thread(), "unlink", HIDDEN))[0]).toBe(ENOENT);
      const exit = await Effect.runPromise(Effect.exit(filesystem.getattr((stat as Uint32Array)[7]!)));
      expect(Exit.isFailure(exit)).toBe(true);
    }));
});

it("a directory's cached path is forgotten when it or one above it is renamed or removed", () =>
  withThreads(async (threads) => {
    for (const path of ["/a", "/a/b", "/a/b/c"]) await threads.ask(thread(), "mkdir", path, 0o755);
    await write(threads, "/a/b/c/old", "x");
    await threads.ask(thread(), "rename", "/a/b", "/moved");
    expect((await threads.ask(thread(), "getattr", "/a/b/c/old"))[0]).toBe(ENOENT);
    expect(await names(threads, "/moved/c")).toEqual(["old"]);
    for (const path of ["/a/b", "/a/b/c"]) await threads.ask(thread(), "mkdir", path, 0o755);
    expect(await names(threads, "/a/b/c")).toEqual([]);
    await threads.ask(thread(), "rmdir", "/a/b/c");
    expect((await threads.ask(thread(), "mkdir", "/a/b/c/d", 0o755))[0]).toBe(ENOENT);
  }));

it("requests on handles that are not open, and all requests after the end, are answered with an error", () =>
  withThreads(async (threads) => {
    expect(await threads.ask(thread(), "fsync", "/", 0, 99)).toEqual([-9]);
    const handle = await write(threads, "/file", "x");
    await Effect.runPromise(threads.close);
    expect((await threads.ask(thread(), "getattr", "/"))[0]).toBe(EIO);
    expect((await threads.ask(thread(), "release", "/file", handle))[0]).toBe(EIO);
  }));
