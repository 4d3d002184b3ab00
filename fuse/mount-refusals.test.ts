/**
 * `varve mount`, used wrongly, says one line and changes nothing; so one pool serves all.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mountAt } from "./mount-point.ts";
import { expectRefused, obstacle, Program, TestMount } from "./test-mount.ts";

const blocked = obstacle();
let program: Program;
let mount: TestMount;
let folder: string;

beforeAll(async () => {
  if (blocked !== undefined) return;
  program = await Program.build();
  mount = await TestMount.format(program, "32M");
  folder = join(mount.directory, "..");
  fs.mkdirSync(join(folder, "full/inner"), { recursive: true });
  fs.writeFileSync(join(folder, "stranger"), Buffer.alloc(2 ** 24, 7));
  fs.writeFileSync(join(folder, "empty"), "");
  fs.copyFileSync(mount.image, join(folder, "half"));
  fs.truncateSync(join(folder, "half"), 2 ** 24);
}, 60_000);

afterAll(async () => {
  if (blocked !== undefined) return;
  await mount.remove();
  program.remove();
});

/** What is there, and what the pool holds. */
const contents = (): object => ({
  names: fs.readdirSync(folder).toSorted(),
  pool: createHash("sha256").update(fs.readFileSync(mount.image)).digest("hex"),
  mounted: mountAt(mount.directory) !== undefined,
});

describe("varve mount refuses", () => {
  it.for([
    ["a missing device", ["none", "mnt"], 3, /none: no such file or device/],
    ["a missing directory", ["pool", "none"], 3, /none does not exist/],
    ["a directory that is a file", ["pool", "pool"], 3, /is not a directory/],
    ["a directory that is not empty", ["pool", "full"], 3, /is not empty/],
    ["a file that is no pool", ["stranger", "mnt"], 3, /does not hold a Varve pool/],
    ["an empty file", ["empty", "mnt"], 3, /empty/],
    ["a truncated pool", ["half", "mnt"], 3, /truncated/],
    ["no directory", ["pool"], 2, /at least one device and a directory/],
    ["an unknown option", ["pool", "mnt", "-o", "fast"], 2, /unknown mount option fast; known are/],
    ["an option without its value", ["pool", "mnt", "-o", "dirty=much"], 2, /dirty needs bytes/],
    ["too little memory", ["pool", "mnt", "-o", "memory=100M"], 2, /memory must be 192M at least/],
    ["memory for less than is asked", ["pool", "mnt", "-o", "memory=256M,nodes=1G"], 2, /do not fit into memory=256M/],
  ] as const)("%s", async ([, words, status, line], { skip }) => {
    if (blocked !== undefined) return skip(blocked);
    const before = contents();
    expectRefused(await program.run(["mount", ...words], { cwd: folder }), status, line);
    expect(contents()).toEqual(before);
  });
});
