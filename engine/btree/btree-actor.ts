/**
 * The btree actor: runs transaction bodies one after another, and loads the nodes that they miss.
 *
 * A body that misses a node, or finds no room in the journal, is set aside and run again from its start; others go on
 * meanwhile. A commit is one synchronous step: triggers stage the secondary rows, every touched leaf is made sure to
 * be resident, the journal takes the rows, the leaves take them, the hooks run, the asker is answered. Nothing before
 * the journal's append changes any state, so a body that is set aside leaves no trace. Nor does one that comes upon
 * rows that make no sense: it fails alone, and the pool goes on.
 */
import type * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import { Actor, type Pending, PoolFailed, type Supervisor } from "../actor.ts";
import type { Buckets } from "../allocator/buckets.ts";
import { Malformed } from "../format/malformed.ts";
import type { Journal } from "../journal/journal-actor.ts";
import type { SurvivorLog } from "../journal/survivor-log.ts";
import { reached } from "../marks.ts";
import type { NodeLoader } from "./node-loader.ts";
import { NOT_RESIDENT, REMOVED, Staging } from "./staging.ts";
import { Abort, type Body, type Transaction, type Transactor } from "./transaction.ts";
import { Triggers } from "./triggers.ts";
import type { Trees } from "./trees.ts";
import type { BucketIo } from "../device/bucket-io.ts";

interface Request {
  readonly body: Body<unknown, unknown>;
  readonly pending: Pending<unknown, unknown>;
  /** Times that it was set aside for a node. */
  loads: number;
}

/** Nodes that a body may have missed before those that are in memory stay there until it is through. */
const LOADS_BEFORE_HOLD = 64;

export interface BtreeServices {
  readonly supervisor: Supervisor;
  readonly trees: Trees;
  readonly journal: Journal;
  readonly loader: NodeLoader;
  readonly buckets: Buckets;
  readonly io: BucketIo;
  readonly readOnly: boolean;
  /** Keeps what is committed for the next process. */
  readonly survivors?: SurvivorLog | undefined;
  /** Dirty or too many resident leaves: nodes should be written so that they can be evicted. */
  readonly pressure: () => void;
}

export class BtreeActor implements Transactor {
  commits = 0;
  /** Runs of bodies, those included that were abandoned for a node. */
  attempts = 0;
  private readonly services: BtreeServices;
  private readonly staging: Staging;
  private readonly triggers: Triggers;
  private readonly actor: Actor<Request>;
  private waitingForRoom: Array<Request> = [];

  constructor(services: BtreeServices) {
    this.services = services;
    this.staging = new Staging(services.trees);
    const { io, buckets } = services;
    this.triggers = new Triggers({
      bucketOf: (device, addressBytes) => io.member(device).layout.bucketOf(addressBytes),
      classOf: (at) => buckets.classOf(at),
    });
    this.actor = new Actor(services.supervisor, "btree", (request) => this.attempt(request), { reads: true });
  }

  get commitBytesMax(): number {
    return this.services.journal.commitBytesMax;
  }

  transact<A, E>(body: Body<A, E>): Effect.Effect<A, E | PoolFailed> {
    return this.actor.ask<A, E>((pending) => ({
      body: body,
      pending: pending as Pending<unknown, unknown>,
      loads: 0,
    }));
  }

  /** Runs a body that only reads, at once; `undefined` if others are before it, or it must wait for a node. */
  peek<A>(body: (tx: Transaction) => A): A | undefined {
    if (!this.actor.idle) return undefined;
    const { staging, services } = this;
    let answer: A;
    try {
      answer = this.complemented(() => {
        staging.reset();
        return body(staging);
      });
    } catch {
      // Whoever asks the other way loads what is missing, or finds out what is wrong.
      return undefined;
    }
    if (staging.count > 0) throw new Error("a change by a body that only reads");
    if (services.trees.overBudget && !services.trees.evict()) services.pressure();
    return answer;
  }

  get sync(): Effect.Effect<void, PoolFailed> {
    return this.services.journal.sync;
  }

  /** The journal has room again. */
  retryWaiting(): void {
    const waiting = this.waitingForRoom;
    if (waiting.length === 0) return;
    this.waitingForRoom = [];
    for (const request of waiting) this.actor.tell(request);
  }

  /**
   * Runs a body to its commit, at once; `undefined` if others are before it, or it must wait for a node or for room: then
   * it has left no trace.
   */
  now<A, E>(body: Body<A, E>): A | Abort<E> | undefined {
    return this.actor.now(() => {
      let answer: A | Abort<E>;
      try {
        answer = this.complemented(() => this.stage(body));
      } catch (reason) {
        // Whoever asks the other way loads what is missing, or is told what is wrong.
        if (reason === NOT_RESIDENT || reason instanceof Malformed) return undefined;
        throw reason;
      }
      if (answer instanceof Abort) return answer;
      if (this.refusal !== undefined || !this.hasRoom) return undefined;
      this.complete();
      return answer;
    });
  }

  /** Runs a step again for each node that it misses and that a device has at hand. */
  private complemented<A>(step: () => A): A {
    for (;;) {
      try {
        return step();
      } catch (reason) {
        if (reason !== NOT_RESIDENT || !this.services.loader.fetchAtOnce(this.staging.missing!)) throw reason;
      }
    }
  }

  private attempt(request: Request): void {
    let answer: unknown;
    try {
      answer = this.complemented(() => this.stage(request.body));
    } catch (reason) {
      if (reason === NOT_RESIDENT) return this.load(request);
      if (!(reason instanceof Malformed)) throw reason;
      reached("malformed row met");
      this.through(request);
      return request.pending.fail(new PoolFailed(`the pool contradicts itself: ${reason.message}`));
    }
    if (answer instanceof Abort) {
      this.through(request);
      return request.pending.fail(answer.error);
    }
    const { refusal } = this;
    if (refusal !== undefined) {
      reached("change refused by a frozen pool");
      this.through(request);
      return request.pending.fail(refusal);
    }
    if (!this.hasRoom) {
      this.waitingForRoom.push(request);
      return;
    }
    this.through(request);
    this.complete();
    request.pending.settle(Exit.succeed(answer));
  }

  /** Runs a body and makes sure that what it stages can be committed, room in the journal excepted. */
  private stage<A>(body: (tx: Transaction) => A): A {
    const { staging } = this;
    this.attempts++;
    staging.reset();
    const answer = body(staging);
    if (!(answer instanceof Abort) && staging.count > 0) {
      if (this.services.readOnly) throw new Error("a commit on a pool opened read-only");
      this.triggers.stage(staging);
      this.touchLeaves();
    }
    return answer;
  }

  private get changes(): boolean {
    return this.staging.count > 0 || this.staging.refs.length > 0;
  }

  /** Why what is staged cannot be committed any more. */
  private get refusal(): PoolFailed | undefined {
    return this.changes ? this.services.supervisor.failure : undefined;
  }

  private get hasRoom(): boolean {
    const { staging } = this;
    return !this.changes || this.services.journal.room(staging.journalWords, staging.refs.length, false) === "granted";
  }

  /** Commits what is staged, and runs the hooks. */
  private complete(): void {
    const { staging, services } = this;
    let survivors: SurvivorLog | undefined;
    if (this.changes) {
      survivors = services.survivors;
      survivors?.open();
      this.commit();
    }
    // Reading loads nodes too.
    if (services.trees.overBudget && !services.trees.evict()) services.pressure();
    const { hooks } = staging;
    for (const hook of hooks) hook();
    // The commit and what its hooks say of it are one: nobody is told before both are kept.
    survivors?.close();
  }

  /** Every leaf that the commit will change must be in memory before anything changes. */
  private touchLeaves(): void {
    const { staging } = this;
    for (let index = 0; index < staging.count; index++) {
      const tree = this.services.trees.tree(staging.table[index]!);
      staging.leafOf(tree, staging.inode[index]!, staging.offset[index]!, staging.snapshot[index]!);
    }
  }

  private commit(): void {
    const { staging, services } = this;
    const { journal, trees, buckets, survivors } = services;
    const { gathering } = journal;
    const { updates, sequence } = gathering;
    const before = updates.wordsUsed;
    for (let index = 0; index < staging.count; index++) {
      const table = staging.table[index]!;
      const inode = staging.inode[index]!;
      const offset = staging.offset[index]!;
      const snapshot = staging.snapshot[index]!;
      const length = staging.lengthBytes[index]!;
      const tree = trees.tree(table);
      if (length === REMOVED) {
        updates.remove(table, 0, inode, offset, snapshot);
        tree.remove(inode, offset, snapshot, sequence);
      } else {
        const word = staging.word[index]!;
        updates.put(table, 0, inode, offset, snapshot, staging.words, word, length);
        tree.put(inode, offset, snapshot, staging.words, word, length, sequence);
      }
    }
    trees.changedBytes += (updates.wordsUsed - before) * Int32Array.BYTES_PER_ELEMENT;
    if (survivors !== undefined && staging.count > 0) {
      gathering.loggedIn = Math.min(gathering.loggedIn, survivors.segment);
      survivors.transaction(sequence, updates.behind(before));
    }
    if (staging.refs.length > 0) gathering.refs.push(...staging.refs);
    for (const change of this.triggers.changes) buckets.setLive(change, change.liveBytes, sequence);
    this.triggers.changes.length = 0;
    this.commits++;
  }

  private load(request: Request): void {
    const node = this.staging.missing!;
    reached("transaction restarted for a node");
    if (++request.loads === LOADS_BEFORE_HOLD) {
      // Others take the room of the leaves that it needs: together they might go on like that for ever.
      reached("eviction held for a transaction");
      this.services.trees.evictionHolds++;
    }
    this.services.loader.load(node, (failure) => {
      if (failure === undefined) return this.actor.tell(request);
      this.through(request);
      request.pending.fail(failure);
    });
  }

  /** The request will not be run again. */
  private through({ loads }: Request): void {
    if (loads >= LOADS_BEFORE_HOLD) this.services.trees.evictionHolds--;
  }
}
