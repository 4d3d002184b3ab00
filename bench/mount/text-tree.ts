/**
 * A tree of source-like text, the same every time, as a tar archive in memory: what is unpacked and searched.
 *
 * Sizes are those of a source tree: most files have a few KiB, some have hundreds. The words are drawn from a
 * vocabulary, so that the text compresses about as source does. Pure.
 */

const BLOCK_BYTES = 512;
const FILES_A_DIRECTORY = 15;
const MEDIAN_BYTES = 3500;
const BYTES_MAX = 400_000;
const encoder = new TextEncoder();

/** Stands nowhere in the tree. */
export const ABSENT_WORD = "qqzzqq";

/** Small, seeded, and good enough for text. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Lines of words, some long and rare, enough to cut every file from. */
function textOf(random: () => number, bytes: number): Uint8Array {
  const letters = "etaoinshrdlucmfwypvbgkjx";
  const words = Array.from({ length: 4000 }, () =>
    Array.from(
      { length: 2 + Math.floor(random() * 9) },
      () => letters[Math.floor(random() ** 2 * letters.length)],
    ).join(""),
  );
  const parts: Array<string> = [];
  for (let length = 0; length < bytes;) {
    const word = words[Math.floor(random() ** 3 * words.length)]!;
    const part = random() < 0.1 ? `${word}(${Math.floor(random() * 1e6)});\n` : `${word} `;
    parts.push(part);
    length += part.length;
  }
  return encoder.encode(parts.join("").slice(0, bytes));
}

export interface TreeArchive {
  readonly bytes: Uint8Array;
  readonly files: number;
  readonly directories: number;
  /** Of the files' content. */
  readonly contentBytes: number;
}

export function textTree(files: number): TreeArchive {
  const random = generator(9000);
  const pool = textOf(random, 4 * 1024 * 1024);
  const parts: Array<Uint8Array> = [];
  const directories = Math.ceil(files / FILES_A_DIRECTORY);
  let contentBytes = 0;
  for (let directory = 0; directory < directories; directory++) {
    // Three levels, so that names are looked up along paths.
    const path = `tree/part${directory % 7}/section${directory}`;
    if (directory === 0) parts.push(header("tree/", 0, "5"));
    if (directory < 7) parts.push(header(`tree/part${directory}/`, 0, "5"));
    parts.push(header(`${path}/`, 0, "5"));
    const count = Math.min(FILES_A_DIRECTORY, files - directory * FILES_A_DIRECTORY);
    for (let index = 0; index < count; index++) {
      // Log-normal: the sum of uniform draws is close enough to a normal one.
      const normal = random() + random() + random() + random() - 2;
      const length = Math.min(BYTES_MAX, Math.floor(MEDIAN_BYTES * Math.exp(normal * 2.6)));
      const from = Math.floor(random() * (pool.length - length));
      parts.push(header(`${path}/file${index}.c`, length, "0"), pool.subarray(from, from + length));
      if (length % BLOCK_BYTES !== 0) parts.push(new Uint8Array(BLOCK_BYTES - (length % BLOCK_BYTES)));
      contentBytes += length;
    }
  }
  parts.push(new Uint8Array(2 * BLOCK_BYTES));
  return { bytes: joined(parts), files, directories: directories + Math.min(7, directories) + 1, contentBytes };
}

/** A header of the ustar format. */
function header(name: string, length: number, type: "0" | "5"): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  const put = (at: number, text: string): void => block.set(encoder.encode(text), at);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, "0")}\0`;
  put(0, name);
  put(100, octal(type === "5" ? 0o755 : 0o644, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  put(124, octal(length, 11));
  put(136, octal(1_700_000_000, 11));
  put(148, " ".repeat(8));
  put(156, type);
  put(257, "ustar\u000000");
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${octal(sum, 6)} `);
  return block;
}

function joined(parts: ReadonlyArray<Uint8Array>): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
