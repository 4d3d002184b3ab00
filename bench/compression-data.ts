/**
 * What compression is measured on: files of this machine where there are some, and bytes that are made.
 *
 * Text and source code are those of the packages that the program itself needs, the binary is the runtime. JPEG images
 * are given by a path, or made with ImageMagick; otherwise there are none. Each kind is a run of whole files behind each
 * other, and says where it comes from.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, extname, join } from "node:path";
import { Prng } from "../harness/entropy.ts";

export interface Sample {
  readonly kind: string;
  readonly bytes: Uint8Array;
  /** Where it comes from. */
  readonly from: string;
}

export const JPEG_VARIABLE = "VARVE_BENCH_JPEG";
const PICTURES = 6;
const FILES_MAX = 20_000;

const packages = (): string => join(dirname(createRequire(import.meta.url).resolve("effect/package.json")), "..");

function* filesBelow(folder: string): Generator<string> {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

/** Whole files behind each other, `bytesMax` at most. */
function gathered(folder: string, extensions: ReadonlySet<string>, bytesMax: number): Uint8Array {
  const parts: Array<Uint8Array> = [];
  let total = 0;
  let seen = 0;
  for (const path of filesBelow(folder)) {
    if (!extensions.has(extname(path).toLowerCase())) continue;
    if (total >= bytesMax || seen++ > FILES_MAX) break;
    const bytes = readFileSync(path);
    parts.push(bytes);
    total += bytes.length;
  }
  return Buffer.concat(parts).subarray(0, bytesMax);
}

function front(path: string, bytesMax: number): Uint8Array {
  const bytes = Buffer.alloc(Math.min(bytesMax, statSync(path).size));
  readSync(openSync(path, "r"), bytes, 0, bytes.length, 0);
  return bytes;
}

/** Lines as a server writes them. */
function logLines(bytesMax: number): Uint8Array {
  const random = new Prng(1);
  const lines: Array<string> = [];
  const paths = ["/", "/index.html", "/api/v1/items", "/api/v1/users", "/static/app.js", "/favicon.ico", "/login"];
  for (let total = 0, second = 1_750_000_000; total < bytesMax; second += random.below(3)) {
    const address = `10.${random.below(4)}.${random.below(256)}.${random.below(256)}`;
    const time = new Date(second * 1000).toISOString();
    const status = random.pick([200, 200, 200, 304, 404, 500]);
    const line = `${address} - - [${time}] "GET ${random.pick(paths)}?id=${random.below(100_000)} HTTP/1.1" ${status} ${random.below(60_000)}\n`;
    lines.push(line);
    total += line.length;
  }
  return Buffer.from(lines.join("")).subarray(0, bytesMax);
}

function noise(bytesMax: number): Uint8Array {
  const random = new Prng(2);
  const words = new Uint32Array(bytesMax / 4);
  for (let index = 0; index < words.length; index++) words[index] = random.u32();
  return new Uint8Array(words.buffer);
}

/** Undefined where nothing makes pictures. */
function pictures(bytesMax: number): Sample | undefined {
  const given = process.env[JPEG_VARIABLE];
  const jpeg = new Set([".jpg", ".jpeg"]);
  if (given !== undefined) {
    const bytes = statSync(given).isDirectory() ? gathered(given, jpeg, bytesMax) : front(given, bytesMax);
    return { kind: "JPEG", bytes, from: given };
  }
  const folder = mkdtempSync(join(tmpdir(), "varve-jpeg-"));
  try {
    for (let picture = 0; picture < PICTURES; picture++) {
      const words = [
        "-seed",
        String(picture),
        "-size",
        "2400x1800",
        "plasma:",
        "-attenuate",
        "0.3",
        "+noise",
        "Gaussian",
      ];
      execFileSync("convert", [...words, "-quality", "90", join(folder, `${picture}.jpg`)], { stdio: "ignore" });
    }
    return {
      kind: "JPEG",
      bytes: gathered(folder, jpeg, bytesMax),
      from: "ImageMagick, fractals with noise, quality 90",
    };
  } catch {
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** All kinds, of about so many bytes each. */
export function samples(bytesMax: number): ReadonlyArray<Sample> {
  const folder = packages();
  const jpeg = pictures(bytesMax);
  return [
    {
      kind: "text",
      bytes: gathered(folder, new Set([".md", ".txt"]), bytesMax),
      from: "documentation of npm packages",
    },
    { kind: "log", bytes: logLines(bytesMax), from: "made: lines of a web server" },
    {
      kind: "source",
      bytes: gathered(folder, new Set([".js", ".ts", ".mjs", ".c", ".h"]), bytesMax),
      from: "npm packages",
    },
    { kind: "binary", bytes: front(process.execPath, bytesMax), from: "the program node" },
    ...(jpeg === undefined ? [] : [jpeg]),
    { kind: "random", bytes: noise(bytesMax), from: "made" },
  ];
}
