/**
 * What a transport has done so far: operations by kind with their latencies, errors, bytes.
 *
 * Typed arrays of fixed size, counted into without allocating anything: a record costs some tens of nanoseconds. Only
 * ever grows; who wants rates subtracts two snapshots.
 */
import { bucketOfLatency, LATENCY_BUCKETS, type LatencyCounts } from "./latency.ts";
import { Opcode } from "./protocol/opcodes.ts";

const OPCODES_MAX = 64;
const nameOf = new Map<number, string>(Object.entries(Opcode).map(([name, opcode]) => [opcode, name]));

export interface OperationCounts {
  readonly operation: string;
  readonly count: number;
  /** Answers that were an error, `ENOENT` and the like included. */
  readonly errors: number;
  readonly totalUs: number;
  readonly latencies: LatencyCounts;
}

export interface MetricsSnapshot {
  readonly operations: ReadonlyArray<OperationCounts>;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Requests that are being worked on, and those that wait since too much data is. */
  readonly inFlight: number;
  readonly waiting: number;
}

export class Metrics {
  private readonly counts = new Float64Array(OPCODES_MAX);
  private readonly errors = new Float64Array(OPCODES_MAX);
  private readonly totalUs = new Float64Array(OPCODES_MAX);
  private readonly latencies = new Uint32Array(OPCODES_MAX * LATENCY_BUCKETS);
  readBytes = 0;
  writtenBytes = 0;
  inFlight = 0;
  waiting = 0;

  record(opcode: number, microseconds: number, failed: boolean): void {
    if (opcode >= OPCODES_MAX) return;
    this.counts[opcode]!++;
    this.totalUs[opcode]! += microseconds;
    if (failed) this.errors[opcode]!++;
    this.latencies[opcode * LATENCY_BUCKETS + bucketOfLatency(microseconds)]!++;
  }

  snapshot(): MetricsSnapshot {
    const { readBytes, writtenBytes, inFlight, waiting } = this;
    const operations: Array<OperationCounts> = [];
    for (let opcode = 0; opcode < OPCODES_MAX; opcode++) {
      const count = this.counts[opcode]!;
      if (count === 0) continue;
      const latencies: Array<readonly [number, number]> = [];
      const at = opcode * LATENCY_BUCKETS;
      for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        if (this.latencies[at + bucket]! > 0) latencies.push([bucket, this.latencies[at + bucket]!]);
      }
      const operation = nameOf.get(opcode) ?? `opcode ${opcode}`;
      operations.push({ operation, count, errors: this.errors[opcode]!, totalUs: this.totalUs[opcode]!, latencies });
    }
    return { operations, readBytes, writtenBytes, inFlight, waiting };
  }
}
