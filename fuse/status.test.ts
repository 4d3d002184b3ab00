import { execFile } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Interval } from "./interval.ts";
import type { ServerStatus } from "./status.ts";
import { obstacle, Program, TestMount } from "./test-mount.ts";

const MEBIBYTE = 1024 * 1024;
const blocked = obstacle();
let program: Program;
let mount: TestMount;

beforeAll(async () => {
  if (blocked !== undefined) return;
  program = await Program.build();
  mount = await TestMount.format(program, "128M");
}, 60_000);

afterAll(async () => {
  if (blocked !== undefined) return;
  await mount.remove();
  program.remove();
});

/** What a command answers as JSON: one object. */
async function asked(...args: ReadonlyArray<string>): Promise<{ status: number; answer: unknown }> {
  const { status, output, errors } = await program.run([...args, "--json"]);
  expect(errors).toBe("");
  return { status, answer: JSON.parse(output.split("\n")[0] ?? "{}") };
}

describe.skipIf(blocked !== undefined)("varve status and varve top", () => {
  it("tell of devices that are not mounted whether they were closed cleanly", async () => {
    interface Unmounted {
      readonly clean: boolean;
      readonly entriesToReplay: number;
      readonly capacityBytes: number;
    }
    const fresh = await asked("status", mount.image);
    expect(fresh).toMatchObject({ status: 0, answer: { mounted: false, clean: true, entriesToReplay: 0 } });
    expect((fresh.answer as Unmounted).capacityBytes).toBeGreaterThan(100 * MEBIBYTE);
    await mount.mount();
    fs.writeFileSync(join(mount.directory, "file"), "x");
    fs.fsyncSync(fs.openSync(join(mount.directory, "file"), "r+"));
    await mount.kill();
    const { answer: killed } = await asked("status", mount.image);
    expect(killed).toMatchObject({ clean: false });
    expect((killed as Unmounted).entriesToReplay).toBeGreaterThan(0);
    const silent = await asked("status", mount.directory);
    expect(silent).toMatchObject({ status: 1, answer: { server: false } });
  });

  it("tell of a mount what it is, has and did", async () => {
    await mount.mount("memory=300M");
    const path = (name: string): string => join(mount.directory, name);
    fs.writeFileSync(path("text"), "the same words again and again ".repeat(100_000));
    for (let count = 0; count < 40; count++) fs.writeFileSync(path(`file-${count}`), "tiny");
    const data = fs.openSync(path("text"), "r+");
    fs.fsyncSync(data);
    expect(() => fs.readFileSync(path("none"))).toThrow();
    expect(() => fs.rmdirSync(path("text"))).toThrow();
    const { status, answer: told } = await asked("status", mount.directory);
    const answer = told as ServerStatus;
    expect(status).toBe(0);
    expect(answer).toMatchObject({ pid: mount.pid, directory: mount.directory, transport: "direct", server: true });
    expect(answer.pool).toMatchObject({ state: "healthy", inodes: 43 });
    const { memory, usage, requests, devices } = answer;
    expect(memory.budgetBytes).toBe(300 * MEBIBYTE);
    expect(memory.residentBytes).toBeGreaterThan(40 * MEBIBYTE);
    expect(memory.residentBytesPeak).toBeLessThan(300 * MEBIBYTE);
    expect(usage.commits).toBeGreaterThan(40);
    expect(requests.writtenBytes).toBeGreaterThanOrEqual(3_100_000);
    const operations = new Map(requests.operations.map((each) => [each.operation, each]));
    expect(operations.get("mknod")!.count).toBeGreaterThanOrEqual(41);
    expect(operations.get("fsync")!.count).toBe(1);
    const zstd = answer.written.find(({ kind }) => kind === "zstd")!;
    expect(zstd.rawBytes).toBeGreaterThanOrEqual(3_100_000);
    expect(zstd.storedBytes).toBeLessThan(zstd.rawBytes / 20);
    expect(devices[0]).toMatchObject({ device: mount.image, errors: 0 });
    expect(devices[0]!.flushes).toBeGreaterThan(0);
    expect(answer.log.some(({ line }) => line.startsWith("mounting"))).toBe(true);
    fs.closeSync(data);
    // Its device leads to it as well, and so does the list of all mounts.
    expect((await asked("status", mount.image)).answer).toMatchObject({ pid: mount.pid });
    const all = await program.run(["status", "--json"]);
    expect(all.output).toContain(`"directory":${JSON.stringify(mount.directory)}`);
    const text = await program.run(["status", mount.directory]);
    expect(text.output).toMatch(/: healthy\n(.|\n)*compression\s+\d+\.\d\d over 3\.0 MiB written/u);
    const metrics = await program.run(["status", mount.directory, "--metrics"]);
    expect(metrics.output).toContain(`varve_memory_budget_bytes{mount="${mount.directory}"} ${300 * MEBIBYTE}\n`);
    for (const line of metrics.output.trim().split("\n")) {
      expect(line).toMatch(/^# (HELP|TYPE) varve_|^varve_[a-z0-9_]+\{mount="[^"]+"(,[a-z]+="[^"]*")?\} [-\d.e+]+$/u);
    }
  });

  it("tell live what a mount does", async () => {
    const load = execFile("sh", [
      "-c",
      `while :; do echo x > ${mount.directory}/live; rm ${mount.directory}/live; dd if=/dev/zero of=${mount.directory}/zeros bs=64k count=16 2>/dev/null; done`,
    ]);
    try {
      const { answer: told } = await asked("top", mount.directory, "--once", "--interval", "1s");
      const answer = told as Interval;
      expect(answer.intervalMs).toBeGreaterThan(900);
      expect(answer.perSecond).toBeGreaterThan(1);
      expect(answer.writtenBytesPerSecond).toBeGreaterThan(10_000);
      const unlink = answer.operations.find(({ operation }) => operation === "unlink")!;
      expect(unlink.perSecond).toBeGreaterThan(0);
      expect(unlink.p50Us).toBeGreaterThan(1);
      expect(unlink.p99Us).toBeGreaterThanOrEqual(unlink.p50Us);
      expect(unlink.meanUs).toBeLessThan(10e6);
      const text = await program.run(["top", mount.directory, "--once", "--interval", "300ms"]);
      expect(text.output).toMatch(/requests\/s(.|\n)*operation +per second +errors\/s +mean +p50 +p99\n/u);
    } finally {
      load.kill("SIGKILL");
      await new Promise((settle) => load.once("close", settle));
    }
  });

  it("end when the mount does", async () => {
    const watching = program.run(["top", mount.directory, "--interval", "200ms"]);
    await new Promise((settle) => setTimeout(settle, 2000));
    await mount.umount();
    const { status, output } = await watching;
    expect(status).toBe(0);
    expect(output.trim().split("\n").at(-1)).toBe(`${mount.directory} is no longer mounted`);
  });

  it("say in one line what they cannot do", async () => {
    for (const [args, message] of [
      [["status", join(mount.directory, "..")], /no pool is mounted on/],
      [["status", "/nowhere/at/all"], /no such file or device/],
      [["status", mount.image, "--metrics"], /--metrics is of mounts/],
      [["top", mount.directory], /no pool is mounted on/],
      [["top", mount.directory, "--interval", "1ms"], /50ms at least/],
    ] as const) {
      const { status, output, errors } = await program.run(args);
      expect([status > 1, output]).toEqual([true, ""]);
      expect(errors).toMatch(/^varve: [^\n]+\n$/u);
      expect(errors).toMatch(message);
    }
  });
});
