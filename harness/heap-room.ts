/**
 * Room for the heaps of worker threads.
 *
 * A crash state takes about a MiB of buffers, and next to nothing of it outlives the state. V8 goes through the whole heap
 * each time 64 MiB of buffers have come, twice a second: a sixth of a campaign's processor time. Where it can be told to
 * count buffers as part of a heap, and that this may become larger, most of them have died by themselves before.
 */
import { setFlagsFromString } from "node:v8";

const MIB = 1024 * 1024;

/** Twice that is no faster. */
const ROOM_MIB_MAX = 256;

/** With less than this V8 knows better. */
const ROOM_MIB_MIN = 64;

/** What a worker takes of the machine's memory, buffers included, as a multiple of its room; measured: 3.8 of 256 MiB. */
const WHOLE = 6;

/** The first version of V8, that of Node 24, that counts buffers as part of the heap when told to. */
const COUNTS_BUFFERS = 13.6;

/** V8's flags for `count` workers that share so much memory; none where it is short, or V8 knows none. */
export function heapFlags(count: number, availableBytes: number, v8: string): Array<string> {
  const roomMib = Math.min(ROOM_MIB_MAX, Math.floor(availableBytes / MIB / WHOLE / count));
  if (roomMib < ROOM_MIB_MIN || Number.parseFloat(v8) < COUNTS_BUFFERS) return [];
  return [`--initial-old-space-size=${roomMib}`, "--external-memory-accounted-in-global-limit"];
}

/** Gives the workers that are started from now on as much room as is good for them and the machine has. */
export function giveRoom(count: number): void {
  for (const flag of heapFlags(count, process.availableMemory(), process.versions.v8)) setFlagsFromString(flag);
}
