/**
 * A transport that is watched: what it is asked and how long each answer takes is counted, and so much data at most is
 * in flight. Around the transport, which knows nothing of it.
 *
 * A read or write that would bring more data into memory than may be in flight waits for others to end; whatever carries
 * no data never waits. One alone is always let through, however large.
 */
import type * as Effect from "effect/Effect";
import type { Company } from "./company.ts";
import type { MessageTransport } from "./direct-session.ts";
import type { Metrics } from "./metrics.ts";
import type { Notifier } from "./notifier.ts";
import { IN_HEADER_BYTES, Opcode, OUT_HEADER_BYTES } from "./protocol/opcodes.ts";

/** In a read and a write alike, the length stands behind handle and offset. */
const LENGTH_AT = IN_HEADER_BYTES + 16;
/** In the header, behind length, operation, number, inode, user and group. */
const THREAD_AT = 32;

type AnswerParts = ReadonlyArray<Uint8Array>;
type Answer = (...parts: AnswerParts) => boolean;

interface Waiting {
  readonly message: Uint8Array;
  readonly answer: Answer;
  readonly startedMs: number;
  readonly opcode: number;
  readonly bytes: number;
}

const u32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;

export class MeteredTransport implements MessageTransport {
  private readonly transport: MessageTransport;
  private readonly metrics: Metrics;
  private readonly inFlightBytesMax: number;
  private readonly company: Company | undefined;
  private inFlightBytes = 0;
  private starting = false;
  private readonly queue: Array<Waiting> = [];

  constructor(transport: MessageTransport, metrics: Metrics, inFlightBytesMax: number, company?: Company) {
    this.transport = transport;
    this.metrics = metrics;
    this.inFlightBytesMax = inFlightBytesMax;
    this.company = company;
  }

  connected(notifier: Notifier): void {
    this.transport.connected?.(notifier);
  }

  get close(): Effect.Effect<void> {
    return this.transport.close;
  }

  take(message: Uint8Array, answer: Answer): void {
    const startedMs = performance.now();
    const opcode = u32(message, 4);
    this.company?.asked(u32(message, THREAD_AT));
    const bytes = opcode === Opcode.read || opcode === Opcode.write ? u32(message, LENGTH_AT) : 0;
    if (bytes > 0 && (this.queue.length > 0 || !this.fits(bytes))) {
      this.metrics.waiting++;
      this.queue.push({ message, answer, startedMs, opcode, bytes });
      return;
    }
    this.start(message, answer, startedMs, opcode, bytes);
  }

  private start(message: Uint8Array, answer: Answer, startedMs: number, opcode: number, bytes: number): void {
    const { metrics } = this;
    metrics.inFlight++;
    this.inFlightBytes += bytes;
    this.transport.take(message, (...parts) => {
      const taken = answer(...parts);
      const head = parts[0];
      const failed = head !== undefined && u32(head, 4) !== 0;
      metrics.inFlight--;
      metrics.record(opcode, (performance.now() - startedMs) * 1000, failed);
      if (bytes > 0) {
        if (!failed) this.countBytes(opcode, bytes, parts);
        this.inFlightBytes -= bytes;
        if (this.queue.length > 0) this.startWaiting();
      }
      return taken;
    });
  }

  private countBytes(opcode: number, bytes: number, parts: AnswerParts): void {
    if (opcode === Opcode.write) this.metrics.writtenBytes += bytes;
    else this.metrics.readBytes += parts.reduce((sum, part) => sum + part.length, 0) - OUT_HEADER_BYTES;
  }

  private fits(bytes: number): boolean {
    return this.inFlightBytes === 0 || this.inFlightBytes + bytes <= this.inFlightBytesMax;
  }

  /** An answer may come at once and bring us here again; the call that is under way goes on then. */
  private startWaiting(): void {
    if (this.starting) return;
    this.starting = true;
    for (let next = this.queue[0]; next !== undefined; next = this.queue[0]) {
      const { message, answer, startedMs, opcode, bytes } = next;
      if (!this.fits(bytes)) break;
      this.queue.shift();
      this.metrics.waiting--;
      this.start(message, answer, startedMs, opcode, bytes);
    }
    this.starting = false;
  }
}
