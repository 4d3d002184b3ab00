import { expect, test } from "vitest";
import { SurvivorLog } from "./survivor-log.ts";
import type { SurvivorMemory } from "./survivor-scan.ts";

const UUID = new Uint8Array(16).fill(5);
const SEGMENT_BYTES = 64 * 1024;

class Ram implements SurvivorMemory {
  private bytes = new Uint8Array(0);
  /** Bytes that were asked for at once, of a segment or more. */
  wholeReads = 0;

  readonly sizeBytes = (): number => this.bytes.length;

  readonly read = (offsetBytes: number, lengthBytes: number): Uint8Array => {
    if (lengthBytes >= SEGMENT_BYTES) this.wholeReads++;
    return this.bytes.slice(offsetBytes, offsetBytes + lengthBytes);
  };

  readonly write = (offsetBytes: number, bytes: Uint8Array): void => {
    if (offsetBytes + bytes.length > this.bytes.length) {
      const grown = new Uint8Array(offsetBytes + bytes.length);
      grown.set(this.bytes);
      this.bytes = grown;
    }
    this.bytes.set(bytes, offsetBytes);
  };
}

/** A process that takes over all that it finds; what it found of files' content. */
function process(memory: Ram): { readonly log: SurvivorLog; readonly writes: ReadonlyArray<number> } {
  const log = new SurvivorLog({ memory, segmentBytes: SEGMENT_BYTES });
  const { survived } = log.found;
  const records = survived._tag === "Generation" ? survived.generation.records : [];
  log.begin(UUID, 1, { sequence: 0, checksum: 0n });
  log.inherit(records, new Uint8Array(0));
  for (const record of records) log.repeat(record);
  log.complete();
  return { log, writes: records.flatMap((record) => (record.kind === "write" ? [record.inode] : [])) };
}

function write(log: SurvivorLog, inode: number, request: number): void {
  log.open();
  log.write(inode, 0, undefined, new Uint8Array(10_000));
  log.effectOf(request, 0);
  log.close();
  log.answered(request);
}

const upTo = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, index) => index + 1);

test("a process finds what the one before kept, and lets go of it once its own generation counts", () => {
  const memory = new Ram();
  const first = process(memory).log;
  for (const inode of upTo(40)) write(first, inode, inode);
  const second = process(memory);
  expect(second.writes).toEqual(upTo(40));
  expect(second.log.found.survived._tag).toBe("Nothing");
  memory.wholeReads = 0;
  expect(process(memory).writes).toEqual(upTo(40));
  // The segments of the first generation are there, and are not read.
  expect(memory.wholeReads).toBeLessThan(12);
});

test("what is written once all has been sent again makes room, however many processes there were", () => {
  const memory = new Ram();
  let last = process(memory).log;
  for (let count = 0; count < 20; count++) {
    last = process(memory).log;
    last.needed = () => last.segment;
    last.allResent();
    for (const inode of upTo(60)) write(last, inode, inode);
  }
  expect(memory.sizeBytes()).toBeLessThan(30 * SEGMENT_BYTES);
});
