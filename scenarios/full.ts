/**
 * The story of what "no space" means: what a full pool refuses does not fit into it, and what it says is available does.
 */
import * as Effect from "effect/Effect";
import type * as Scope from "effect/Scope";
import { TREE_LIMITS } from "../engine/btree/tree.ts";
import { XATTR_VALUE_BYTES_MAX } from "../engine/fs/types.ts";
import type { Pool } from "../engine/pool/pool.ts";
import type { Entropy } from "../harness/entropy.ts";
import type { Epilogue, ScenarioPlan } from "../harness/scenario.ts";
import { type Operation, type Pattern, perform, type Performer, performer } from "../harness/workload/operation.ts";
import { CRASHES, MAY_BE_FULL, type Medium, pool, type Story, tiny } from "./pools.ts";
import { fillShare } from "./space.ts";

/** More than a tiny pool has room for. */
const FILES_MAX = 2500;
const LIVES_MAX = 5;
const VALUE_BYTES_LEAST = 300;
const DATA_BYTES = 64 * 1024;

const pathOf = (file: number): string => `/full-${file}`;

/** What was refused, and what could not be used of the buckets that were full then: nobody knows of that later. */
interface Refusal {
  readonly path: string;
  readonly wasteBytes: number;
}

/** Files with long values in a pool that is opened and ends again and again. */
class FullPool {
  private readonly context: Epilogue;
  private readonly valueBytesMost: number;
  /** The bytes of each file's value. */
  private readonly present: Map<string, number> = new Map();
  private made = 0;

  constructor(context: Epilogue, valueBytesMost: number) {
    this.context = context;
    this.valueBytesMost = valueBytesMost;
  }

  /** Performs an operation that may be refused for want of space, but for nothing else; true if it was. */
  private isRefused(operation: Operation, by: Performer): Effect.Effect<boolean> {
    return Effect.flatMap(perform(operation, by), (outcome) => {
      if (!("reason" in outcome)) return Effect.succeed(false);
      if (outcome.reason === "NoSpace") return Effect.succeed(true);
      return this.context.fail(`${operation.kind} behind ${this.made} files: ${outcome.reason}`);
    });
  }

  /** Performs an operation that takes no space that one could be refused. */
  private must(operation: Operation, by: Performer): Effect.Effect<void> {
    return Effect.flatMap(this.isRefused(operation, by), (refused) =>
      refused ? this.context.fail(`${operation.kind} behind ${this.made} files: NoSpace`) : Effect.void,
    );
  }

  /** Lets others run, now and then. */
  private get pause(): Effect.Effect<void> {
    const { random } = this.context;
    return Effect.suspend(() => (random.chance(0.1) ? Effect.sleep(random.pick([0, 1])) : Effect.void));
  }

  /** The path of a new file, and whether it is refused. */
  private make(by: Performer): Effect.Effect<{ readonly path: string; readonly refused: boolean }> {
    const path = pathOf(this.made++);
    return Effect.map(this.isRefused({ kind: "create", path }, by), (refused) => {
      if (!refused) this.present.set(path, 0);
      return { path, refused };
    });
  }

  /** Makes files until one is refused; its path, or undefined if there are as many as there may be. */
  private fillUp(by: Performer): Effect.Effect<string | undefined> {
    const self = this;
    const { random } = this.context;
    const dataShare = random.pick([0, 0.02, 0.2]);
    return Effect.gen(function* () {
      while (self.made < FILES_MAX) {
        const { path, refused } = yield* self.make(by);
        if (refused) return path;
        const lengthBytes = random.between(VALUE_BYTES_LEAST, self.valueBytesMost);
        const pattern: Pattern = { tag: self.made, lengthBytes, texture: "noise" };
        const value = { kind: "setxattr", target: path, name: "user.long", pattern, mode: "set" } as const;
        if (yield* self.isRefused(value, by)) return path;
        self.present.set(path, lengthBytes);
        if (random.chance(dataShare)) {
          const data: Pattern = { tag: self.made, lengthBytes: random.between(1, DATA_BYTES), texture: "noise" };
          if (yield* self.isRefused({ kind: "append", target: path, pattern: data }, by)) return path;
        }
        yield* self.pause;
      }
      return undefined;
    });
  }

  /** Deletes such a share of the files, which lie everywhere; returns how many bytes of values are gone. */
  private deleteSome(by: Performer, share: number): Effect.Effect<number> {
    const self = this;
    const { random } = this.context;
    return Effect.gen(function* () {
      let bytes = 0;
      for (const [path, lengthBytes] of self.present) {
        if (!random.chance(share)) continue;
        yield* self.must({ kind: "unlink", path }, by);
        self.present.delete(path);
        bytes += lengthBytes;
        yield* self.pause;
      }
      return bytes;
    });
  }

  /** Writes as much data as is said to be available, but for two buckets, and syncs it. */
  private writeAvailable({ filesystem, superblock }: Pool, by: Performer): Effect.Effect<void, unknown> {
    const self = this;
    const { fail, random } = this.context;
    return Effect.gen(function* () {
      if (random.chance(0.5)) yield* self.must({ kind: "syncfs" }, by);
      const { availableBytes } = yield* filesystem.statfs;
      if (availableBytes < 3 * superblock.bucketBytes) return;
      const { path, refused } = yield* self.make(by);
      if (refused) return yield* fail(`${path} is refused, and ${availableBytes} bytes are available`);
      for (let left = availableBytes - 2 * superblock.bucketBytes; left > 0; left -= DATA_BYTES) {
        const pattern: Pattern = { tag: left, lengthBytes: Math.min(left, DATA_BYTES), texture: "noise" };
        const unwritten = yield* self.isRefused({ kind: "append", target: path, pattern }, by);
        if (unwritten || (yield* self.isRefused({ kind: "fsync", target: path }, by))) {
          return yield* fail(`no space with ${left} bytes to go, and ${availableBytes} were available`);
        }
      }
    });
  }

  /** One opening: what it refused, if the pool was closed and not killed behind that. */
  get life(): Effect.Effect<Refusal | undefined, unknown, Scope.Scope> {
    const self = this;
    const { random, open, fail } = this.context;
    return Effect.gen(function* () {
      const opened = yield* open(random.chance(0.7) ? { checkpointChunks: Number.POSITIVE_INFINITY } : {});
      const by = performer(opened.filesystem);
      yield* self.deleteSome(by, random.float() * 0.5);
      if (random.chance(0.3)) yield* self.writeAvailable(opened, by);
      let refused = yield* self.fillUp(by);
      if (refused !== undefined && random.chance(0.3)) {
        const bytes = yield* self.deleteSome(by, 1);
        const again = yield* self.make(by);
        if (again.refused && bytes > 2 * opened.superblock.bucketBytes) {
          return yield* fail(`${again.path} is refused behind ${bytes} bytes of values that were deleted`);
        }
        refused = again.refused ? again.path : undefined;
      }
      if (random.chance(0.5)) {
        const { wasteBytes } = opened.runtime.buckets;
        yield* opened.close;
        return refused === undefined ? undefined : { path: refused, wasteBytes };
      }
      yield* self.must({ kind: "syncfs" }, by);
      return undefined;
    });
  }

  /** What was refused does not fit, now that it is known what everything takes. */
  isFull({ path, wasteBytes }: Refusal): Effect.Effect<void, unknown, Scope.Scope> {
    const { open, fail } = this.context;
    return Effect.gen(function* () {
      const { filesystem, superblock } = yield* open();
      const { availableBytes } = yield* filesystem.statfs;
      if (availableBytes > superblock.bucketBytes + wasteBytes) {
        return yield* fail(`${path} was refused for want of space, and ${availableBytes} bytes are available`);
      }
    });
  }
}

function refuseForWant(context: Epilogue, valueBytesMost: number): Effect.Effect<void, unknown> {
  const { random, open, fail } = context;
  const full = new FullPool(context, valueBytesMost);
  return Effect.gen(function* () {
    for (let lives = random.between(1, LIVES_MAX); lives > 0; lives--) {
      const refused = yield* Effect.scoped(full.life);
      if (refused !== undefined) yield* Effect.scoped(full.isFull(refused));
    }
    const { check } = yield* open();
    const [problem] = (yield* check()).problems;
    if (problem !== undefined) return yield* fail(`check, ${problem.pass}: ${problem.what}`);
  }).pipe(Effect.scoped);
}

const trulyFull: Story = {
  name: "truly-full",
  summary:
    "what a tiny full pool refuses for want of space does not fit into it, and what is said to be available does",
  plan: (entropy: Entropy, medium: Medium): ScenarioPlan => {
    const random = entropy.stream("truly full");
    const base = pool(entropy, medium, FILES_MAX);
    const treeLimits = {
      fanMax: random.pick([5, 16]),
      leafRowsMax: random.pick([4, 12, TREE_LIMITS.leafRowsMax]),
      batchNodesMax: random.pick([1, 3, 64]),
    };
    const valueBytesMost = random.pick([1900, 1900, 20_000, XATTR_VALUE_BYTES_MAX]);
    return {
      ...base,
      geometry: tiny(random, medium),
      format: { ...base.format, journalBuckets: random.pick([6, 10]) },
      open: { ...base.open, nodeCacheBytes: random.pick([0, 64 * 1024 * 1024]), treeLimits },
      tolerance: MAY_BE_FULL,
      clients: [fillShare(0.5 + random.float() * 0.5)],
      epilogue: (context) => refuseForWant(context, valueBytesMost),
      crash: { ...CRASHES, statesMax: 2, pointShare: 0.2 },
    };
  },
};

export const fullStories: ReadonlyArray<Story> = [trulyFull];
