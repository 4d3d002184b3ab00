import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { POOL_BYTES_MIN } from "../engine/index.ts";
import { catalogue } from "./catalogue.ts";
import { runCommandLine } from "./program.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "varve-cli-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly status: number;
  readonly out: string;
  readonly errors: string;
}

async function varve(...argv: ReadonlyArray<string>): Promise<Ended> {
  let out = "";
  let errors = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((errors += String(text)), true));
  const status = await runCommandLine(argv, "1.2.3");
  vi.restoreAllMocks();
  return { status, out, errors };
}

/** What every refusal looks like. */
const oneLine = /^varve: [^\n]+\n$/;
const image = (name = "disk.img"): string => join(folder, name);

describe("the program", () => {
  test("says its version and its commands without loading any of them", async () => {
    expect(await varve("--version")).toMatchObject({ status: 0, out: "1.2.3\n" });
    const help = await varve("--help");
    expect(help.status).toBe(0);
    for (const { name, summary } of catalogue) {
      expect(help.out).toContain(name);
      expect(help.out).toContain(summary);
    }
  });

  test("without a command shows the help and ends as wrongly used", async () => {
    const ended = await varve();
    expect(ended.status).toBe(2);
    expect(ended.errors).toContain("Usage: varve");
  });

  test.each(catalogue.map(({ name }) => name))(
    "%s has a help of its own, and is called what the list calls it",
    async (name) => {
      const { command } = await catalogue.find((entry) => entry.name === name)!.load();
      expect(command.name).toBe(name);
      const help = await varve(name, "--help");
      expect(help.status).toBe(0);
      expect(help.out).toContain("--json");
      expect((await varve("help", name)).out).toBe(help.out);
    },
  );

  test.each([
    [["chekc"], /unknown command 'chekc'.*check.*see varve --help/],
    [["check", "x", "--nonsense"], /unknown option '--nonsense'.*see varve check --help/],
    [["check"], /missing required argument 'device'.*see varve check --help/],
    [["format", "x", "--size", "64X"], /expected a size such as 64M/],
    [["format", "x", "--size", "1M"], new RegExp(`the least is ${POOL_BYTES_MIN} bytes`)],
    [["format", "x", "--size", "64M", "--compression", "lzma"], /compression lzma is not known/],
    [["format", "x", "--size", "64M", "--bucket-size", "100000"], /power of two/],
    [["inspect", "nothing", "x"], /no structure nothing: superblock, journal, btree, bucket/],
  ])("refuses %j in one line and ends as wrongly used", async (argv, message) => {
    const ended = await varve(...argv.map((word) => (word === "x" ? image() : word)));
    expect(ended.status).toBe(2);
    expect(ended.errors).toMatch(oneLine);
    expect(ended.errors).toMatch(message);
    expect(ended.out).toBe("");
  });
});

describe("pools from the command line", () => {
  test("a file is formatted, checked, shown and inspected", async () => {
    const made = await varve("format", "--size", "16M", "--label", "sediment", image());
    expect(made).toMatchObject({ status: 0, errors: "" });
    expect(made.out).toMatch(/^Pool [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12} of 16 MiB/);
    expect(statSync(image()).size).toBe(16 * 1024 * 1024);
    expect(await varve("check", "--data", image())).toMatchObject({
      status: 0,
      out: expect.stringContaining("nothing wrong"),
    });
    const usage = await varve("usage", "--json", image());
    expect(JSON.parse(usage.out)).toMatchObject({ label: "sediment", inodes: 1, buckets: 128 });
    expect((await varve("inspect", "superblock", image())).out).toContain("sediment");
    expect((await varve("inspect", "journal", image())).out).toContain("clean");
    const tree = JSON.parse((await varve("inspect", "btree", "--json", image())).out) as { trees: Array<unknown> };
    expect(tree.trees).toHaveLength(13);
    const root = JSON.parse((await varve("inspect", "btree", "--table", "inodes", "--json", image())).out) as object;
    expect(root).toMatchObject({ key: [1, 0, -1], value: { links: 2 } });
    expect((await varve("inspect", "bucket", image())).out).toContain("reserved");
    expect((await varve("inspect", "bucket", "--bucket", "8", image())).out).toContain("node of inodes");
    expect(await varve("inspect", "bucket", "--bucket", "999", image())).toMatchObject({ status: 2 });
    expect(await varve("inspect", "btree", "--table", "nothing", image())).toMatchObject({ status: 2 });
  });

  test("with --json there is JSON on standard output and nothing else", async () => {
    const made = await varve("format", "--json", "--size", "16M", image());
    expect(JSON.parse(made.out)).toMatchObject({ capacityBytes: 16 * 1024 * 1024, journalBuckets: 6 });
    const checked = await varve("check", "--json", image());
    expect(JSON.parse(checked.out)).toMatchObject({ problems: [], unlisted: 0, counts: { inodes: 1 } });
  });

  test("what holds something is not formatted without --force", async () => {
    await varve("format", "--size", "16M", image());
    const before = readFileSync(image());
    const refused = await varve("format", image());
    expect(refused).toMatchObject({ status: 3, errors: expect.stringMatching(/holds a Varve pool; --force/) });
    expect(readFileSync(image()).equals(before)).toBe(true);
    expect(await varve("format", "--force", image())).toMatchObject({ status: 0 });
    expect(await varve("check", image())).toMatchObject({ status: 0 });
    writeFileSync(image("notes"), "remember the milk".repeat(200_000));
    const kept = await varve("format", image("notes"));
    expect(kept).toMatchObject({ status: 3, errors: expect.stringMatching(/holds data that is not known/) });
    expect(readFileSync(image("notes"), "utf8")).toBe("remember the milk".repeat(200_000));
  });

  test("--size never touches a file that is there, and leaves none behind that it could not format", async () => {
    writeFileSync(image(), "mine");
    expect(await varve("format", "--size", "16M", image())).toMatchObject({ status: 2 });
    expect(readFileSync(image(), "utf8")).toBe("mine");
    const failed = await varve("format", "--size", "16M", "--bucket-size", "64K", image("new"));
    expect(failed).toMatchObject({ status: 3, errors: expect.stringMatching(oneLine) });
    expect(() => statSync(image("new"))).toThrow("ENOENT");
  });

  test.each(["check", "usage", "inspect superblock", "inspect journal"])(
    "%s refuses what it cannot use, in one line",
    async (words) => {
      const argv = words.split(" ");
      expect(await varve(...argv, image("missing"))).toMatchObject({
        status: 3,
        errors: expect.stringMatching(/^varve: .*missing: no such file or device\n$/),
      });
      writeFileSync(image("text"), "no pool".repeat(100_000));
      expect(await varve(...argv, image("text"))).toMatchObject({
        status: 3,
        errors: expect.stringMatching(/^varve: .*does not hold a Varve pool\n$/),
      });
      writeFileSync(image("empty"), "");
      expect(await varve(...argv, image("empty"))).toMatchObject({ status: 3, errors: expect.stringMatching(oneLine) });
      expect(await varve(...argv, folder)).toMatchObject({
        status: 3,
        errors: expect.stringMatching(/is a directory/),
      });
      expect(readFileSync(image("text"), "utf8")).toBe("no pool".repeat(100_000));
    },
  );

  test("a truncated pool is a finding of the check and a failure of everything else", async () => {
    await varve("format", "--size", "16M", image());
    truncateSync(image(), 8 * 1024 * 1024);
    const checked = await varve("check", image());
    expect(checked).toMatchObject({
      status: 1,
      out: expect.stringMatching(/is truncated: the pool has 16777216 bytes, 8388608/),
    });
    expect(await varve("usage", image())).toMatchObject({ status: 3, errors: expect.stringMatching(/is truncated/) });
    expect(statSync(image()).size).toBe(8 * 1024 * 1024);
  });

  test("damage is found, named, and ends with status 1", async () => {
    await varve("format", "--size", "16M", image());
    const bytes = readFileSync(image());
    // The root directory's node: the first one of the first bucket behind superblock and journal.
    bytes[8 * 131_072 + 60]! ^= 1;
    writeFileSync(image(), bytes);
    const checked = await varve("check", image());
    expect(checked.status).toBe(1);
    expect(checked.out).toMatch(/does not verify/);
  });
});
