/**
 * May a file look like this after a crash? Byte by byte, from the file's history.
 *
 * The base is the file as it was at the later of two moments: the start of the last completed sync that covered it, and
 * the last change of the recovered prefix that waits for dirty data (truncate, fallocate, replacing rename). From there
 * on each write may have reached the disk, in whole or in part, or not: a byte is that of the base or of any write over
 * it. What lies behind the end of the base is not there unless a write brought it, and reads as zero only where a
 * write further behind left a gap. So a size without its data is found out.
 */
import { describeBytes } from "../workload/pattern.ts";
import { type FileContent, PAGE_BYTES, type WriteChange } from "./file-content.ts";
import type { FoundNode } from "./found-tree.ts";
import type { History } from "./history.ts";

/** Moments that decide about a file. */
export interface FileWindow {
  /** Data written up to here was made durable by a completed sync. */
  readonly settledMoment: number;
  /** Last change of the namespace that was recovered. */
  readonly prefixMoment: number;
  /** Writes from here on cannot be there: the change of the namespace before them is not. */
  readonly limitMoment: number;
}

const ZEROS = new Uint8Array(PAGE_BYTES);

/** Says what is wrong with the recovered file, or undefined. */
export function wrongFile(
  history: History,
  content: FileContent,
  window: FileWindow,
  found: FoundNode,
): string | undefined {
  const baseMoment = baseOf(content, window);
  const baseBytes = content.sizeAt(baseMoment);
  const writes = writesBetween(content, baseMoment, window.limitMoment);
  const sizeBytes = found.attributes.sizeBytes;
  const wrongSize = sizeFault(history, baseMoment, baseBytes, writes, sizeBytes);
  if (wrongSize !== undefined) return `${found.path}: ${wrongSize}`;
  const check = new PageCheck(history, content, baseMoment, writes, sizeBytes);
  for (const [index, page] of found.pages) {
    const latest = content.pageAt(window.limitMoment - 1, index) ?? ZEROS;
    if (startsWith(latest, page)) continue;
    const wrong = check.fault(index, page);
    if (wrong !== undefined) return `${found.path}: ${wrong}`;
  }
  for (const index of content.pageIndexes) {
    if (
      index * PAGE_BYTES >= (found.searchedBytes ?? sizeBytes) ||
      found.pages.has(index) ||
      found.unreadablePages.has(index)
    )
      continue;
    const wrong = check.fault(index, ZEROS.subarray(0, Math.min(PAGE_BYTES, sizeBytes - index * PAGE_BYTES)));
    if (wrong !== undefined) return `${found.path}: ${wrong}`;
  }
  return undefined;
}

function baseOf(content: FileContent, { settledMoment, prefixMoment }: FileWindow): number {
  for (let index = content.changes.length - 1; index >= 0; index--) {
    const change = content.changes[index] as FileContent["changes"][number];
    if (change.moment <= settledMoment) break;
    if (change.kind !== "write" && change.moment <= prefixMoment) return change.moment;
  }
  return Math.max(settledMoment, content.sizes.bornMoment);
}

function writesBetween(content: FileContent, afterMoment: number, beforeMoment: number): ReadonlyArray<WriteChange> {
  const writes: Array<WriteChange> = [];
  for (let index = content.changes.length - 1; index >= 0; index--) {
    const change = content.changes[index] as FileContent["changes"][number];
    if (change.moment <= afterMoment) break;
    if (change.kind === "write" && change.moment < beforeMoment) writes.push(change);
  }
  return writes.toReversed();
}

function sizeFault(
  history: History,
  baseMoment: number,
  baseBytes: number,
  writes: ReadonlyArray<WriteChange>,
  sizeBytes: number,
): string | undefined {
  if (sizeBytes === baseBytes) return undefined;
  const brought = sizeBytes > baseBytes && writes.some(({ from, to }) => from < sizeBytes && sizeBytes <= to);
  if (brought) return undefined;
  const allowed = writes
    .filter(({ to }) => to > baseBytes)
    .map(({ moment, to }) => `${to} (by ${history.label(moment)})`);
  return `its size is ${sizeBytes}, allowed are ${[`${baseBytes} (since ${history.label(baseMoment)})`, ...allowed].join(", ")}`;
}

/** Judges pages that are not simply the latest ones. */
class PageCheck {
  private readonly history: History;
  private readonly content: FileContent;
  private readonly baseMoment: number;
  private readonly writes: ReadonlyArray<WriteChange>;
  private readonly sizeBytes: number;

  constructor(
    history: History,
    content: FileContent,
    baseMoment: number,
    writes: ReadonlyArray<WriteChange>,
    sizeBytes: number,
  ) {
    this.history = history;
    this.content = content;
    this.baseMoment = baseMoment;
    this.writes = writes;
    this.sizeBytes = sizeBytes;
  }

  fault(index: number, page: Uint8Array): string | undefined {
    const start = index * PAGE_BYTES;
    const base = this.content.pageAt(this.baseMoment, index) ?? ZEROS;
    const baseBytes = this.content.sizeAt(this.baseMoment);
    if (start + page.length <= baseBytes && startsWith(base, page)) return undefined;
    const over = this.writes.filter(({ from, to }) => from < start + PAGE_BYTES && to > start);
    const gapUpTo = this.gapEnd();
    for (let at = 0; at < page.length; at++) {
      const value = page[at] as number;
      const offset = start + at;
      const isOld = offset < baseBytes ? value === base[at] : value === 0 && offset < gapUpTo;
      if (isOld || isBrought(over, offset, value)) continue;
      return this.explain(page, at, offset, offset < baseBytes ? base : undefined, over);
    }
    return undefined;
  }

  /** Bytes before it that nothing brought are a gap before a write that may be there. */
  private gapEnd(): number {
    let end = 0;
    for (const { from } of this.writes) if (from < this.sizeBytes) end = Math.max(end, from);
    return end;
  }

  private explain(
    page: Uint8Array,
    at: number,
    offset: number,
    base: Uint8Array | undefined,
    over: ReadonlyArray<WriteChange>,
  ): string {
    const since = this.history.label(this.baseMoment);
    const old = base === undefined ? `none since ${since}` : `${base[at]} since ${since} (${describeBytes(base, at)})`;
    const newer = over
      .filter(({ from, to }) => from <= offset && offset < to)
      .map(({ from, bytes, moment }) => {
        const there = offset - from;
        return `${bytes[there]} by ${this.history.label(moment)} (${describeBytes(bytes, there)})`;
      });
    return `byte ${offset} is ${page[at]} (${describeBytes(page, at)}), allowed are ${[old, ...newer].join(", ")}`;
  }
}

/** Did one of the writes put this value there? Asked of every byte, so a plain loop. */
function isBrought(writes: ReadonlyArray<WriteChange>, offset: number, value: number): boolean {
  for (let index = 0; index < writes.length; index++) {
    const { from, to, bytes } = writes[index]!;
    if (from <= offset && offset < to && bytes[offset - from] === value) return true;
  }
  return false;
}

function startsWith(whole: Uint8Array, beginning: Uint8Array): boolean {
  return Buffer.compare(whole.subarray(0, beginning.length), beginning) === 0;
}
