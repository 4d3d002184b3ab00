/**
 * Corrupted images through a real mount: a short run of what `varve corrupt` does by the thousand.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { obstacle, Program } from "../../fuse/test-mount.ts";
import { FINDINGS, OUTCOMES } from "../../harness/corruption/judge.ts";

const IMAGES = 60;
const blocked = obstacle();
let program: Program;

beforeAll(async () => {
  if (blocked === undefined) program = await Program.build(["cli/corrupt/server.ts", "cli/corrupt/reader.ts"]);
}, 60_000);

afterAll(() => {
  if (blocked === undefined) program.remove();
});

type Table = Record<string, Record<string, number>>;

const sum = (table: Table, outcome: string): number =>
  Object.values(table).reduce((total, counts) => total + counts[outcome]!, 0);

it("none hangs, crashes the server or shows wrong data", { timeout: 300_000 }, async ({ skip }) => {
  if (blocked !== undefined) return skip(blocked);
  const { status, output, errors } = await program.run([
    "corrupt",
    "--images",
    String(IMAGES),
    "--pools",
    "1",
    "--json",
  ]);
  const result = JSON.parse(output) as { images: number; findings: number; table: Table; details: unknown };
  expect({ status, details: result.details }, errors).toEqual({ status: 0, details: [] });
  expect(result.images).toBe(IMAGES);
  for (const outcome of FINDINGS) expect(sum(result.table, outcome)).toBe(0);
  // What is not corrupted is right, and corruption is noticed.
  expect(result.table["none"]!["right"]).toBeGreaterThan(0);
  expect(sum(result.table, "refused")).toBeGreaterThan(IMAGES / 10);
  expect(sum(result.table, "errors") + sum(result.table, "changed")).toBeGreaterThan(0);
  expect(OUTCOMES.reduce((total, outcome) => total + sum(result.table, outcome), 0)).toBe(IMAGES);
});

it("a server that does not verify what it reads is found out", { timeout: 300_000 }, async ({ skip }) => {
  if (blocked !== undefined) return skip(blocked);
  const folder = program.fileOf(".");
  const chunk = readdirSync(folder).find((name) =>
    readFileSync(program.fileOf(name), "utf8").includes("function decode(stored"),
  );
  const text = readFileSync(program.fileOf(chunk!), "utf8");
  const blind = text.replace(
    /if \(checksumOf\(stored, 0, stored\.length\) !== checksum\) return (undefined|void 0);/,
    "",
  );
  expect(blind).not.toBe(text);
  writeFileSync(program.fileOf(chunk!), blind);
  const { status, output } = await program.run(["corrupt", "--images", String(IMAGES), "--pools", "1", "--json"]);
  const { table } = JSON.parse(output) as { table: Table };
  expect(status).toBe(1);
  expect(sum(table, "WRONG")).toBeGreaterThan(0);
});
