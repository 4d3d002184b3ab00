/**
 * What compression saves and costs: ratio and speed, by kind of data and by what a mount may ask for.
 *
 * Data goes through the engine's own encoding, extent by extent of 128 KiB: checksum, compression, and back. Speeds are
 * by processor time of this process, so that other work on the machine counts little; nothing is written anywhere.
 */
import { type CompressionChoice, choiceOf, CompressionHistory, uncompressed } from "../engine/data/compression.ts";
import { decode, encode, type Encoded, EXTENT_BYTES_MAX } from "../engine/data/encode.ts";
import { Compression } from "../engine/format/superblock.ts";
import { JPEG_VARIABLE, type Sample, samples } from "./compression-data.ts";
import type { Figure, Workload } from "./workload.ts";

const SAMPLE_BYTES = 24 * 1024 * 1024;
const MEGABYTE = 1e6;
const ROUNDS = 3;

const zstd = (level: number): CompressionChoice => ({ codec: Compression.zstd, level, adaptive: false });
const CHOICES: ReadonlyArray<readonly [string, CompressionChoice]> = [
  ["none", uncompressed],
  ["adaptive", choiceOf(Compression.zstd)],
  ["zstd:1", zstd(1)],
  ["zstd:3", zstd(3)],
  ["zstd:9", zstd(9)],
  ["zstd:19", zstd(19)],
];

/** Processor time of one call, in seconds. */
function cost(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

function measure({ kind, bytes }: Sample, name: string, choice: CompressionChoice): ReadonlyArray<Figure> {
  const rounds = choice.level > 9 ? 1 : ROUNDS;
  const into: Array<number> = [];
  const out: Array<number> = [];
  let storedBytes = 0;
  for (let round = 0; round < rounds; round++) {
    const stored: Array<Encoded> = [];
    const history = new CompressionHistory();
    into.push(
      cost(() => {
        for (let at = 0; at < bytes.length; at += EXTENT_BYTES_MAX) {
          stored.push(encode(bytes.subarray(at, at + EXTENT_BYTES_MAX), choice, history));
        }
      }),
    );
    let decoded = 0;
    out.push(cost(() => stored.forEach((each) => (decoded += decode(each.stored, each)!.length))));
    if (decoded !== bytes.length) throw new Error(`${kind}, ${name}: ${decoded} of ${bytes.length} bytes came back`);
    storedBytes = stored.reduce((sum, each) => sum + each.stored.length, 0);
  }
  const speed = (costs: ReadonlyArray<number>): number =>
    Math.round(bytes.length / MEGABYTE / Math.max(1e-6, median(costs)));
  const ratio = Math.round((100 * bytes.length) / storedBytes) / 100;
  return [
    { name: `${kind}, ${name}: ratio`, value: ratio, unit: "" },
    { name: `${kind}, ${name}: in`, value: speed(into), unit: "MB/s" },
    { name: `${kind}, ${name}: out`, value: speed(out), unit: "MB/s" },
  ];
}

export const compression: Workload = {
  name: "compression",
  summary: "ratio and speed of compression by kind of data, on one core",
  run: ({ scale, progress }) => {
    const all = samples(Math.max(EXTENT_BYTES_MAX * 4, Math.floor(SAMPLE_BYTES * scale)));
    if (all.every(({ kind }) => kind !== "JPEG")) {
      progress(`no JPEG: set ${JPEG_VARIABLE} to a picture or a folder of some, or install ImageMagick`);
    }
    // The first to run would pay for the runtime's compiler.
    for (const [name, choice] of CHOICES.slice(0, 4)) measure(all[0]!, name, choice);
    const figures = all.flatMap((sample) => {
      progress(`${sample.kind}: ${Math.round(sample.bytes.length / MEGABYTE)} MB, ${sample.from}`);
      return CHOICES.flatMap(([name, choice]) => measure(sample, name, choice));
    });
    return Promise.resolve(figures);
  },
};
