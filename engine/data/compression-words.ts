/**
 * A choice of compression in words, as the mount option and the attribute of a file say it: `none`, `zstd:9`,
 * `adaptive:3`.
 *
 * Only what the format knows can be asked for. Pure.
 */
import { Compression } from "../format/superblock.ts";
import { type CompressionChoice, choiceOf, LEVEL_MAX, uncompressed } from "./compression.ts";

export const COMPRESSION_WORDS = "adaptive, zstd (each with a level: zstd:3) or none";

/** The choice, or why there is none. */
export function parseCompression(text: string): CompressionChoice | string {
  const [codec, level, ...rest] = text.split(":");
  if (codec === "none" && level === undefined) return uncompressed;
  if (codec === "lz4") return "lz4 is not a codec of this format; zstd:1 is as fast as that here";
  if ((codec !== "zstd" && codec !== "adaptive") || rest.length > 0) return `it takes ${COMPRESSION_WORDS}`;
  const choice = { ...choiceOf(Compression.zstd), adaptive: codec === "adaptive" };
  if (level === undefined) return choice;
  const number = /^\d{1,2}$/.test(level) ? Number(level) : 0;
  return number >= 1 && number <= LEVEL_MAX ? { ...choice, level: number } : `levels are 1 to ${LEVEL_MAX}`;
}

/** What `parseCompression` takes for it, with its level. */
export function compressionWords({ codec, level, adaptive }: CompressionChoice): string {
  return codec === Compression.none ? "none" : `${adaptive ? "adaptive" : "zstd"}:${level}`;
}
