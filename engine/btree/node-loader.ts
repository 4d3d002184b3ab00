/**
 * Brings nodes into memory: reads the base record and the deltas on it, verifies each against the checksum that its
 * parent holds, and rebuilds the rows.
 *
 * One load of a node serves all who wait for it. A record that does not verify is read again only if the node has
 * meanwhile been moved; else the node is unreadable, and whoever needs it is told so: nothing is guessed.
 */
import * as Effect from "effect/Effect";
import type { DeviceError } from "../../devices/device.ts";
import { PoolFailed, type Supervisor } from "../actor.ts";
import { type BucketIo, VERIFY_TRIES_MAX } from "../device/bucket-io.ts";
import { sequenceOfRecord } from "../format/codec.ts";
import { Malformed } from "../format/malformed.ts";
import { applyNodeDelta, decodeNodeImage } from "../format/node.ts";
import { decodePointer, type NodePointer } from "../format/pointer.ts";
import { reached } from "../marks.ts";
import { Leaf } from "./leaf.ts";
import { Interior, Node } from "./node.ts";
import type { Trees } from "./trees.ts";

export type LoadListener = (failure: PoolFailed | undefined) => void;

export class NodeLoader {
  loads = 0;
  private readonly supervisor: Supervisor;
  private readonly io: BucketIo;
  private readonly trees: Trees;
  private readonly uuid: Uint8Array;
  private readonly fanMax: number;
  private readonly listeners: Map<Node, Array<LoadListener>> = new Map();

  constructor(supervisor: Supervisor, io: BucketIo, trees: Trees, uuid: Uint8Array, fanMax: number) {
    this.supervisor = supervisor;
    this.io = io;
    this.trees = trees;
    this.uuid = uuid;
    this.fanMax = fanMax;
  }

  /** Starts a load, or joins the one under way; `listener` hears how it ended. */
  load(node: Node, listener: LoadListener): void {
    const waiting = this.listeners.get(node);
    if (waiting !== undefined) {
      waiting.push(listener);
      return;
    }
    this.listeners.set(node, [listener]);
    this.supervisor.fork(
      "node loader",
      Effect.map(Effect.result(this.fetch(node)), (result) => {
        const done = this.listeners.get(node)!;
        this.listeners.delete(node);
        const failure = result._tag === "Failure" ? result.failure : undefined;
        for (const each of done) each(failure);
      }),
    );
  }

  /** Loads a node for a caller that can wait. */
  fetch(node: Node): Effect.Effect<void, PoolFailed> {
    return Effect.gen(() => this.fetching(node));
  }

  /** Loads a node from devices that have its records at hand; false if it is left to `fetch`. */
  fetchAtOnce(node: Node): boolean {
    const { pointer } = node;
    if (pointer === undefined) return false;
    const records: Array<Uint8Array> = [];
    for (const { device, addressBytes, lengthBytes } of pointer.records) {
      const bytes = this.io.readAtOnce(device, addressBytes, lengthBytes);
      if (bytes === undefined) return false;
      records.push(bytes);
    }
    const rows = this.rowsOf(node, pointer, records);
    if (typeof rows === "string") return false;
    reached("node read at once");
    this.loads++;
    return this.attached(node, rows) === undefined;
  }

  private *fetching(node: Node): Effect.fn.Return<void, PoolFailed> {
    if (node.resident || this.fetchAtOnce(node)) return;
    let tries = 0;
    while (!node.resident) {
      const pointer = node.pointer!;
      const leaf = yield* Effect.catch(this.readRows(node, pointer), (error) =>
        Effect.succeed(`${error._tag} while reading a node`),
      );
      if (node.resident) {
        if (typeof leaf !== "string") leaf.free();
        return;
      }
      if (node.pointer !== pointer) {
        // Brought in by somebody else, changed, written elsewhere and evicted: what was read is what it was before.
        reached("node moved while it was read");
        if (typeof leaf !== "string") leaf.free();
        continue;
      }
      if (typeof leaf === "string") {
        // Each of the records may have been read wrongly once.
        if (++tries < VERIFY_TRIES_MAX + pointer.records.length - 1) {
          reached("node that did not verify read again");
          continue;
        }
        reached("node unreadable");
        const { addressBytes } = pointer.records[0]!;
        return yield* Effect.fail(
          new PoolFailed(`btree node of table ${node.table}, level ${node.level}, at byte ${addressBytes}: ${leaf}`),
        );
      }
      this.loads++;
      const wrong = this.attached(node, leaf);
      if (wrong !== undefined) return yield* Effect.fail(wrong);
    }
  }

  /** The rows, or what is wrong with the records. */
  private readRows(node: Node, pointer: NodePointer): Effect.Effect<Leaf | string, DeviceError> {
    const reads = pointer.records.map((record) => this.io.read(record.device, record.addressBytes, record.lengthBytes));
    const records =
      reads.length === 1 ? Effect.map(reads[0]!, (bytes) => [bytes]) : Effect.all(reads, { concurrency: 4 });
    return Effect.map(records, (bytes) => this.rowsOf(node, pointer, bytes));
  }

  private rowsOf(node: Node, pointer: NodePointer, bytes: ReadonlyArray<Uint8Array>): Leaf | string {
    const { uuid } = this;
    const { table, level } = node;
    const base = pointer.records[0]!;
    const leaf = decodeNodeImage(bytes[0]!, { uuid, checksum: base.checksum, table, level }, () => new Leaf());
    if (leaf === undefined) return "the base record does not verify";
    for (let index = 1; index < bytes.length; index++) {
      const { checksum } = pointer.records[index]!;
      if (applyNodeDelta(leaf, bytes[index]!, { uuid, checksum, table, level })) continue;
      leaf.free();
      return `delta record ${index} does not verify`;
    }
    node.recordedBefore = sequenceOfRecord(bytes.at(-1)!);
    return leaf;
  }

  /**
   * Rows behind the node's range are those of nodes that split off and were written while this one was not: they count
   * where those nodes are.
   */
  private trimmed(node: Node, leaf: Leaf): Leaf {
    const tree = this.trees.tree(node.table);
    let count = leaf.n;
    while (count > 0) {
      const last = count - 1;
      if (!tree.isBeyond(node, leaf.inodeAt(last), leaf.offsetAt(last), leaf.snapshotAt(last))) break;
      count = last;
    }
    if (count === leaf.n) return leaf;
    reached("node trimmed to its range");
    node.needsImage = true;
    const part = leaf.slice(0, count);
    leaf.free();
    return part;
  }

  /** Takes the rows in, or says what is wrong with them. */
  private attached(node: Node, rows: Leaf): PoolFailed | undefined {
    try {
      this.attach(node, rows);
      return undefined;
    } catch (reason) {
      if (!(reason instanceof Malformed)) throw reason;
      return new PoolFailed(`btree node of table ${node.table}, level ${node.level}: ${reason.message}`);
    }
  }

  private attach(node: Node, rows: Leaf): void {
    const leaf = this.trimmed(node, rows);
    if (node.level === 0) {
      node.leaf = leaf;
      node.recent = true;
      this.trees.added(node);
      return;
    }
    const interior = new Interior(Math.max(this.fanMax, leaf.n));
    for (let position = 0; position < leaf.n; position++) {
      const kid = new Node(
        node.table,
        node.level - 1,
        leaf.inodeAt(position),
        leaf.offsetAt(position),
        leaf.snapshotAt(position),
      );
      const ref = leaf.refAt(position);
      kid.pointer = decodePointer(leaf.view, leaf.valueAt(ref), ref & 4095);
      kid.needsImage = false;
      kid.parent = node;
      interior.insert(position, kid);
    }
    node.interior = interior;
    leaf.free();
  }
}
