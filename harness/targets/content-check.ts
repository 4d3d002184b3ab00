/**
 * May a file of any filesystem hold these bytes after a crash, given what was written and synced?
 *
 * Each byte must be one that the file had there at some time since the sync that settled it, up to the crash; the size
 * lies between the least and the greatest since then. This is what every filesystem promises that shows no stale data,
 * but for one thing: bytes behind what was synced may read as zeros that nobody wrote, where the size was on the disk
 * before the data. What is wrong is told apart: a sync undone or its bytes lost, zeros, or bytes from elsewhere.
 */
import { describeBytes } from "../workload/pattern.ts";
import { type FileContent, PAGE_BYTES } from "../oracle/file-content.ts";
import type { FoundNode } from "../oracle/found-tree.ts";

export interface ContentFault {
  readonly kind: "synced" | "zeros" | "foreign";
  readonly detail: string;
}

const ZEROS = new Uint8Array(PAGE_BYTES);

/** `settledMoment`: what was written up to it is durable; `topMoment`: the last change before the crash. */
export function contentFault(
  content: FileContent,
  settledMoment: number,
  topMoment: number,
  found: FoundNode,
): ContentFault | undefined {
  const { sizeBytes } = found.attributes;
  const sizes = content.sizes.during(settledMoment, topMoment);
  const least = content.sizes.bornMoment > settledMoment ? 0 : Math.min(...sizes);
  const greatest = Math.max(0, ...sizes);
  const range = `${least} to ${greatest} since moment ${settledMoment}`;
  if (sizeBytes < least) {
    return { kind: "synced", detail: `${found.path}: its size is ${sizeBytes}, it was ${range}` };
  }
  if (sizeBytes > greatest) {
    const wasBefore = content.sizes.during(0, settledMoment).includes(sizeBytes);
    return {
      kind: wasBefore ? "synced" : "foreign",
      detail: `${found.path}: its size is ${sizeBytes}, it was ${range}`,
    };
  }
  const moments = momentsSince(content, settledMoment, topMoment);
  let fault: ContentFault | undefined;
  for (const [index, page] of found.pages) {
    const wrong = pageFault(content, moments, least, index, page, found.path);
    // Zeros are the mildest: what is worse is told instead.
    if (wrong !== undefined && (fault === undefined || wrong.kind !== "zeros")) fault = wrong;
    if (fault !== undefined && fault.kind !== "zeros") return fault;
  }
  return fault;
}

/** The settled moment and those of all changes since, the newest first. */
function momentsSince(content: FileContent, settledMoment: number, topMoment: number): ReadonlyArray<number> {
  const moments: Array<number> = [];
  for (let index = content.changes.length - 1; index >= 0; index--) {
    const { moment } = content.changes[index]!;
    if (moment <= settledMoment) break;
    if (moment <= topMoment) moments.push(moment);
  }
  return [...moments, settledMoment];
}

function pageFault(
  content: FileContent,
  moments: ReadonlyArray<number>,
  leastBytes: number,
  index: number,
  page: Uint8Array,
  path: string,
): ContentFault | undefined {
  const start = index * PAGE_BYTES;
  const versions = moments.map((moment) => ({
    bytes: content.pageAt(moment, index) ?? ZEROS,
    upTo: content.sizeAt(moment) - start,
  }));
  const isWhole = versions.some(
    ({ bytes, upTo }) => upTo >= page.length && Buffer.compare(bytes.subarray(0, page.length), page) === 0,
  );
  if (isWhole) return undefined;
  let zeros: ContentFault | undefined;
  for (let at = 0; at < page.length; at++) {
    const value = page[at]!;
    if (versions.some(({ bytes, upTo }) => at < upTo && bytes[at] === value)) continue;
    const offset = start + at;
    const kind =
      offset < leastBytes || (value !== 0 && wasBefore(content, moments.at(-1)!, offset, value))
        ? "synced"
        : value === 0
          ? "zeros"
          : "foreign";
    if (kind === "zeros" && zeros !== undefined) continue;
    const expected = versions.find(({ upTo }) => at < upTo);
    const wanted = expected === undefined ? "no byte" : describeBytes(expected.bytes, at);
    const detail = `${path}: byte ${offset} is ${value} (${describeBytes(page, at)}), last written there: ${wanted}`;
    if (kind !== "zeros") return { kind, detail };
    zeros = { kind, detail };
  }
  return zeros;
}

/** The byte had this value at some time before it was settled. */
function wasBefore(content: FileContent, settledMoment: number, offset: number, value: number): boolean {
  return content.changes.some(
    ({ moment }) =>
      moment < settledMoment && offset < content.sizeAt(moment) && content.byteAt(moment, offset) === value,
  );
}
