/**
 * One budget of memory, divided; pure.
 *
 * The whole is what the process may have resident: the program itself, the JavaScript heap, nodes of trees, dirty data,
 * decoded extents, buffers of requests in flight, and slack: for buffers that are garbage and not yet collected, and for
 * what the allocator cannot give back. What was asked for by name is given as asked, and the rest of the budget is
 * divided among the others.
 */

const MEBIBYTE = 1024 * 1024;
/** Less than this cannot hold the program and anything useful beside it. */
export const MEMORY_BYTES_MIN = 192 * MEBIBYTE;
const DEFAULT_BYTES_MIN = 256 * MEBIBYTE;
const DEFAULT_BYTES_MAX = 1024 * MEBIBYTE;
/** Share of the machine that a mount takes unless told otherwise. */
const DEFAULT_SHARE = 1 / 8;

/** What the program takes before it holds anything: its text, its modules, the thread pool. Measured: 68 to 76 MiB. */
const PROGRAM_BYTES = 76 * MEBIBYTE;
/** Whole buffers that the engine keeps for the next dirty data, and what is being encoded of it. */
const DIRTY_BESIDES_BYTES = 16 * MEBIBYTE;

/** What may be asked for by name, in bytes. */
export interface MemoryWishes {
  readonly nodeCacheBytes?: number;
  readonly dirtyBytesMax?: number;
  readonly readCacheBytes?: number;
}

export interface MemoryShares {
  readonly budgetBytes: number;
  readonly nodeCacheBytes: number;
  readonly dirtyBytesMax: number;
  readonly readCacheBytes: number;
  /** Data of requests that are being worked on. */
  readonly inFlightBytesMax: number;
  /** Old generation of the JavaScript heap, as it is expected to be. */
  readonly heapBytes: number;
  /** One half-space of the young generation, which takes up to three. */
  readonly semiSpaceBytes: number;
}

/** The budget cannot hold what was asked for. */
export class MemoryTooSmall {
  readonly _tag = "MemoryTooSmall";
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value));
const mebibytes = (bytes: number): string => `${Math.ceil(bytes / MEBIBYTE)}M`;

/** Budget of a mount that was given none, on a machine with so much memory for this process. */
export const defaultBudgetBytes = (machineBytes: number): number =>
  clamp(Math.floor(machineBytes * DEFAULT_SHARE), DEFAULT_BYTES_MIN, DEFAULT_BYTES_MAX);

/** Shares of what is left once program, heap and wishes have theirs; the rest of it is slack. */
const REST_SHARES = { inFlight: 0.13, nodes: 0.33, dirty: 0.2, readCache: 0.11 } as const;

export function divideMemory(budgetBytes: number, wishes: MemoryWishes = {}): MemoryShares | MemoryTooSmall {
  if (budgetBytes < MEMORY_BYTES_MIN) {
    return new MemoryTooSmall(`memory must be ${mebibytes(MEMORY_BYTES_MIN)} at least`);
  }
  const heapBytes = clamp(budgetBytes * 0.2, 56 * MEBIBYTE, 512 * MEBIBYTE);
  const semiSpaceBytes = (budgetBytes < 256 * MEBIBYTE ? 2 : budgetBytes < 1024 * MEBIBYTE ? 8 : 16) * MEBIBYTE;
  const fixed = PROGRAM_BYTES + heapBytes + 3 * semiSpaceBytes;
  const { nodeCacheBytes: nodes, dirtyBytesMax: dirty, readCacheBytes: readCache } = wishes;
  const wished = (nodes ?? 0) + (dirty ?? 0) + (readCache ?? 0);
  const rest = budgetBytes - fixed - wished;
  if (rest < 0) {
    const least = mebibytes(fixed + wished);
    return new MemoryTooSmall(
      `nodes, dirty and cache do not fit into memory=${mebibytes(budgetBytes)}: ${least} would`,
    );
  }
  // What was asked for by name leaves its share to the others.
  const { inFlight, nodes: nodesShare, dirty: dirtyShare, readCache: readShare } = REST_SHARES;
  const open =
    inFlight +
    (nodes === undefined ? nodesShare : 0) +
    (dirty === undefined ? dirtyShare : 0) +
    (readCache === undefined ? readShare : 0);
  const slack = 1 - inFlight - nodesShare - dirtyShare - readShare;
  const per = rest / (open + slack);
  const dirtyWhole = dirtyShare * per;
  return {
    budgetBytes,
    nodeCacheBytes: nodes ?? Math.floor(nodesShare * per),
    dirtyBytesMax: dirty ?? Math.floor(Math.max(dirtyWhole - DIRTY_BESIDES_BYTES, dirtyWhole / 2)),
    readCacheBytes: readCache ?? Math.floor(readShare * per),
    inFlightBytesMax: Math.floor(clamp(inFlight * per, 4 * MEBIBYTE, 128 * MEBIBYTE)),
    heapBytes: Math.floor(heapBytes),
    semiSpaceBytes,
  };
}

/**
 * Options of Node for a server with this budget. The heap may grow beyond what is expected of it: a limit that is met
 * ends the process, so it is there against leaks alone.
 *
 * Until the old generation, with the buffers that became garbage, is as large as expected it is left alone. By itself the
 * runtime would have it marked whenever some 20 MiB of buffers were made since the last time, which takes a third of the
 * processor's time of a cold read.
 */
export function nodeOptions({ budgetBytes, heapBytes, semiSpaceBytes }: MemoryShares): ReadonlyArray<string> {
  const limitBytes = Math.max(2 * heapBytes, budgetBytes * 0.4);
  return [
    `--max-old-space-size=${Math.ceil(limitBytes / MEBIBYTE)}`,
    `--initial-old-space-size=${Math.ceil(heapBytes / MEBIBYTE)}`,
    `--max-semi-space-size=${Math.ceil(semiSpaceBytes / MEBIBYTE)}`,
  ];
}

/** For the allocator below Node: buffers go back to the system when they are freed, and threads share their heaps. */
export const allocatorEnvironment: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_MMAP_THRESHOLD_: "131072",
  MALLOC_TRIM_THRESHOLD_: "1048576",
};
