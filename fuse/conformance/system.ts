/**
 * Small words for system calls in conformance cases. Calls block: whoever serves the mount is another process.
 */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";

/** Fails unless the call fails with this error code. */
export function refuses(code: string, call: () => unknown): void {
  assert.throws(call, (error: NodeJS.ErrnoException) => {
    assert.equal(error.code, code);
    return true;
  });
}

/** Opens, uses and closes. */
export function withFile<A>(path: string, flags: string | number, use: (fd: number) => A, mode = 0o666): A {
  const fd = fs.openSync(path, flags, mode);
  try {
    return use(fd);
  } finally {
    fs.closeSync(fd);
  }
}

export function readAll(fd: number): Buffer {
  const { size } = fs.fstatSync(fd);
  const bytes = Buffer.alloc(size);
  let at = 0;
  while (at < size) {
    const count = fs.readSync(fd, bytes, at, size - at, at);
    if (count === 0) break;
    at += count;
  }
  return bytes.subarray(0, at);
}

/** Bytes that differ everywhere and repeat nowhere soon. */
export function pattern(lengthBytes: number, seed: number): Buffer {
  const words = new Uint32Array(Math.ceil(lengthBytes / 4));
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state >>> 0;
  }
  return Buffer.from(words.buffer, 0, lengthBytes);
}

export const names = (directory: string): ReadonlyArray<string> => fs.readdirSync(directory).toSorted();
