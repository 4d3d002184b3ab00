/**
 * A file in memory that has no name: what a server keeps there outlives it as long as somebody holds the descriptor.
 *
 * Every write is one call of the system, at once; what was written is there for whoever holds the file next, however
 * this process ends.
 */
import * as fs from "node:fs";
import type { SurvivorMemory } from "../engine/journal/survivor-scan.ts";

/** Where files lie in memory and not on a disk. */
const FOLDER = "/dev/shm";

/** Makes a file; undefined where there is no such folder. */
export function makeMemoryFile(): number | undefined {
  const path = `${FOLDER}/varve-${process.pid}-${Date.now()}`;
  try {
    const fd = fs.openSync(path, "wx+", 0o600);
    fs.unlinkSync(path);
    return fd;
  } catch {
    return undefined;
  }
}

export function memoryFile(fd: number): SurvivorMemory {
  return {
    sizeBytes: () => fs.fstatSync(fd).size,
    read: (offsetBytes, lengthBytes) => {
      const buffer = Buffer.allocUnsafeSlow(lengthBytes);
      let done = 0;
      while (done < lengthBytes) {
        const count = fs.readSync(fd, buffer, done, lengthBytes - done, offsetBytes + done);
        if (count === 0) break;
        done += count;
      }
      return new Uint8Array(buffer.buffer, buffer.byteOffset, done);
    },
    write: (offsetBytes, bytes) => {
      let done = 0;
      while (done < bytes.length) done += fs.writeSync(fd, bytes, done, bytes.length - done, offsetBytes + done);
    },
  };
}
