/**
 * The extended attribute `varve.compression`: a file's own compression in words, kept in its row and nowhere else.
 *
 * It is there where the row has a choice. Setting it to nothing is removing it.
 */
import { packed, unpacked } from "../data/compression.ts";
import { compressionWords, parseCompression } from "../data/compression-words.ts";
import { sameName } from "./names.ts";

export const COMPRESSION_ATTRIBUTE = "varve.compression";
const NAME = new TextEncoder().encode(COMPRESSION_ATTRIBUTE);
const WORDS_BYTES_MAX = 16;

export const isCompressionAttribute = (name: Uint8Array): boolean => sameName(name, NAME);

/** The value for what a row has; undefined if it has none. */
export function compressionValue(own: number): Uint8Array | undefined {
  const choice = unpacked(own);
  return choice === undefined ? undefined : new TextEncoder().encode(compressionWords(choice));
}

/** What a row is to have; undefined if the value is no choice. */
export function compressionOfValue(value: Uint8Array): number | undefined {
  if (value.length === 0) return 0;
  if (value.length > WORDS_BYTES_MAX) return undefined;
  const choice = parseCompression(new TextDecoder().decode(value));
  return typeof choice === "string" ? undefined : packed(choice);
}
