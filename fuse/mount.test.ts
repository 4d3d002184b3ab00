import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from "vitest";
import { mountAt } from "./mount-point.ts";
import { expectRefused, missingPrograms, obstacle, Program, shell, TestMount } from "./test-mount.ts";

const blocked = obstacle();
let program: Program;
let mount: TestMount;

beforeAll(async () => {
  if (blocked === undefined) program = await Program.build();
}, 60_000);

afterAll(() => {
  if (blocked === undefined) program.remove();
});

beforeEach(async ({ skip }) => {
  if (blocked !== undefined) return skip(blocked);
  mount = await TestMount.format(program, "64M");
});

afterEach(async () => {
  if (blocked === undefined) await mount.remove();
});

const digest = (path: string): string => createHash("sha256").update(fs.readFileSync(path)).digest("hex");

async function gone(pid: number): Promise<void> {
  while (fs.existsSync(`/proc/${pid}`)) await new Promise((settle) => setTimeout(settle, 10));
}

describe("varve mount, used wrongly, says one line:", () => {
  it("a pool that is mounted, on its directory and on another", async () => {
    await mount.mount();
    const other = join(mount.directory, "../other");
    fs.mkdirSync(other);
    expectRefused(await program.run(["mount", mount.image, mount.directory]), 3, /already has a pool mounted on it/);
    expectRefused(await program.run(["mount", mount.image, other]), 3, /in use/);
    expectRefused(await program.run(["check", mount.image]), 3, /in use/);
    fs.writeFileSync(join(mount.directory, "still"), "there");
  });

  it("unmounting what is no mount", async () => {
    expectRefused(await program.run(["umount", mount.directory]), 3, /nothing is mounted on/);
    expectRefused(await program.run(["umount", "/proc"]), 3, /is a mount of proc/);
  });
});

describe("a mount ends well", () => {
  it("by umount: what was written but not synced is there, and the pool is free at once", async () => {
    await mount.mount();
    fs.writeFileSync(join(mount.directory, "file"), "x".repeat(1_000_000));
    await mount.umount();
    await mount.check();
    await mount.mount();
    expect(fs.readFileSync(join(mount.directory, "file"), "utf8")).toBe("x".repeat(1_000_000));
  });

  it("by SIGTERM", async () => {
    await mount.mount();
    fs.writeFileSync(join(mount.directory, "file"), "kept");
    const { pid } = mount;
    process.kill(pid!, "SIGTERM");
    await gone(pid!);
    expect(mountAt(mount.directory)).toBeUndefined();
    await mount.check();
    await mount.mount();
    expect(fs.readFileSync(join(mount.directory, "file"), "utf8")).toBe("kept");
  });

  it("by SIGTERM while a file is open", async () => {
    await mount.mount();
    const fd = fs.openSync(join(mount.directory, "file"), "w");
    fs.writeSync(fd, "kept");
    const { pid } = mount;
    process.kill(pid!, "SIGTERM");
    await gone(pid!);
    expect(mountAt(mount.directory)).toBeUndefined();
    try {
      fs.closeSync(fd);
    } catch {
      // The filesystem is gone.
    }
    await mount.check();
    await mount.mount();
    expect(fs.readFileSync(join(mount.directory, "file"), "utf8")).toBe("kept");
  });

  it("not by umount while a file is open: it says so and stays", async () => {
    await mount.mount();
    const fd = fs.openSync(join(mount.directory, "file"), "w");
    expectRefused(await program.run(["umount", mount.directory]), 3, /busy.* is used by \w+ \(process \d+, file .*\)/);
    fs.writeSync(fd, "still served");
    fs.closeSync(fd);
    await mount.umount();
    await mount.check();
  });

  it("after kill -9 by mounting again over the dead mount", async () => {
    await mount.mount();
    const fd = fs.openSync(join(mount.directory, "synced"), "w");
    fs.writeSync(fd, "synced");
    fs.fsyncSync(fd);
    // The kernel answers this by itself from now on, also when nobody serves the mount any more.
    fs.statSync(mount.directory);
    await mount.kill();
    fs.statSync(mount.directory);
    expect(() => fs.statfsSync(mount.directory)).toThrow(/ENOTCONN/);
    await mount.mount();
    expect(fs.readFileSync(join(mount.directory, "synced"), "utf8")).toBe("synced");
    await mount.umount();
    await mount.check();
  });

  it("after kill -9 by umount", async () => {
    await mount.mount();
    await mount.kill();
    const { status, output } = await program.run(["umount", mount.directory]);
    expect({ status, output }).toEqual({
      status: 0,
      output: `${mount.directory} is unmounted; its server was gone already\n`,
    });
    expect(mountAt(mount.directory)).toBeUndefined();
  });

  it("in the foreground: says that it is mounted, and ends with status 0 when it is unmounted", async () => {
    const words = [program.fileOf("varve.js"), "mount", "--foreground", "--json", mount.image, mount.directory];
    const server = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "ignore"] });
    const ended = new Promise((settle) => server.on("close", settle));
    const said = await new Promise<string>((settle) =>
      server.stdout.once("data", (chunk: Buffer) => settle(chunk.toString())),
    );
    expect(JSON.parse(said)).toMatchObject({ mounted: true, directory: mount.directory, pid: server.pid });
    fs.writeFileSync(join(mount.directory, "file"), "x");
    await mount.umount();
    expect(await ended).toBe(0);
  });
});

it("locks keep two processes apart, on every mount anew", async ({ skip }) => {
  const missing = await missingPrograms(["flock", "python3"]);
  if (missing !== undefined) return skip(missing);
  const ranges = [
    "import fcntl, os; fd = os.open('file', os.O_RDWR); fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)",
    "child = os.fork()",
    "if child == 0:",
    "    try: fcntl.lockf(os.open('file', os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)",
    "    except BlockingIOError: os._exit(0)",
    "    os._exit(1)",
    "assert os.wait()[1] == 0",
  ];
  for (let round = 0; round < 3; round++) {
    await mount.mount();
    const script = "touch file; flock -n file sh -c '! flock -n file true'; python3 -c \"$RANGES\"";
    await shell(script, { cwd: mount.directory, env: { RANGES: ranges.join("\n") } });
    if (round === 1) await mount.kill();
    else await mount.umount();
  }
}, 60_000);

it("the kernel may read ahead and gather more for a mount than it does by itself", async () => {
  await mount.mount();
  const device = (await shell(`mountpoint -d ${mount.directory}`)).trim();
  const of = (name: string): number => Number(fs.readFileSync(`/sys/class/bdi/${device}/${name}`, "utf8"));
  expect([of("read_ahead_kb"), of("max_ratio")]).toEqual([4096, 20]);
  await mount.umount();
});

it("a read-only mount writes nothing to the pool", async () => {
  await mount.mount();
  fs.writeFileSync(join(mount.directory, "file"), "x");
  await mount.umount();
  const before = digest(mount.image);
  await mount.mount("ro");
  expect(fs.readFileSync(join(mount.directory, "file"), "utf8")).toBe("x");
  expect(() => fs.writeFileSync(join(mount.directory, "other"), "")).toThrow(/EROFS/);
  expect(() => fs.chmodSync(join(mount.directory, "file"), 0o600)).toThrow(/EROFS/);
  await mount.umount();
  expect(digest(mount.image)).toBe(before);
});
