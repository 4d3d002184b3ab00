/**
 * A program of an earlier version of the format: it makes a pool, uses it and leaves it; and it looks at what later
 * programs leave.
 *
 * Version 4 reads inodes of which a byte says more than in version 3 and changed nothing else, so the engine is such a
 * program once it writes that version, reads none after it, and is given no such byte to write.
 */
import * as Effect from "effect/Effect";
import { SimDisk } from "../devices/sim/disk.ts";
import { survivesAll } from "../devices/sim/survival.ts";
import { FORMAT_VERSION, program } from "../engine/format/codec.ts";
import { formatPool, type OpenOptions, openPool } from "../engine/pool/pool.ts";
import type { FormatOptions } from "../engine/pool/shape.ts";
import type { Prng } from "./entropy.ts";
import type { Tolerance } from "./oracle/checked-filesystem.ts";
import { collectTree, type FoundTree } from "./oracle/found-tree.ts";
import type { Mark } from "./oracle/history.ts";
import { Oracle } from "./oracle/oracle.ts";
import type { EarlierLife } from "./scenario.ts";
import { randomProgram } from "./workload/program.ts";

const VERSION = 3;

/** From here on it is a program of this version again, however what ran before has ended. */
export function ofThisVersionAgain(): void {
  program.version = FORMAT_VERSION;
}

/** Nothing else may run meanwhile that writes or opens a pool. */
export const asEarlier = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => void (program.version = VERSION)),
    () => effect,
    () => Effect.sync(ofThisVersionAgain),
  );

export interface EarlierSetting {
  readonly disk: SimDisk;
  readonly format: FormatOptions;
  readonly open: OpenOptions;
  readonly tolerance: Tolerance;
  readonly random: Prng;
}

/** What the pool holds that it made and used, and then closed or was killed over. */
export function livedEarlier(
  { profile, operations, closes }: EarlierLife,
  { disk, format, open, tolerance, random }: EarlierSetting,
): Effect.Effect<FoundTree, unknown> {
  const oracle = new Oracle(tolerance);
  const name = "client of an earlier version";
  const use = Effect.gen(function* () {
    const pool = yield* openPool([disk], open);
    const filesystem = oracle.client(name, pool);
    yield* randomProgram(profile, operations)({ name, filesystem, random, model: oracle.model, pool });
    if (!closes) return;
    yield* pool.close;
    oracle.closed();
  });
  const look = Effect.flatMap(openPool([disk], { ...open, readOnly: true }), ({ filesystem }) =>
    collectTree(filesystem),
  );
  return asEarlier(
    Effect.gen(function* () {
      yield* formatPool([disk], format);
      yield* Effect.scoped(use);
      yield* disk.flush;
      const tree = yield* Effect.scoped(look);
      const { problems } = oracle.judge(oracle.mark(), tree);
      if (problems.length > 0) return yield* Effect.die(new Error(`of version ${VERSION}: ${problems.join("\n")}`));
      return tree;
    }),
  );
}

/** What is wrong with what it is shown, at a mark. */
export type JudgeOfEarlier = (oracle: Oracle, mark: Mark) => ReadonlyArray<string>;

export interface SeenByEarlier {
  /** It hears that the pool is of a later version, or something else. */
  readonly refused: boolean;
  readonly judge: JudgeOfEarlier;
}

/** It must see all that is there, or hear that the pool is of a later version: it would write to what it took for whole. */
export function seenByEarlier(disk: SimDisk, open: OpenOptions): Effect.Effect<SeenByEarlier> {
  const image = disk.crash(survivesAll);
  const copy = SimDisk.fromImage(image, { name: "disk0", seed: 1, statistics: false, answersAtOnce: true });
  const look = Effect.flatMap(openPool([copy], { ...open, readOnly: true }), ({ filesystem }) =>
    collectTree(filesystem),
  );
  return Effect.match(asEarlier(Effect.scoped(look)), {
    onSuccess: (tree) => ({
      refused: false,
      judge: (oracle, mark) =>
        oracle.judge(mark, tree).problems.map((problem) => `to a program of version ${VERSION}: ${problem}`),
    }),
    onFailure: (error) => {
      const tag = (error as { readonly _tag?: string })._tag;
      const told = `a program of version ${VERSION} is told ${tag}: ${JSON.stringify(error)}`;
      return { refused: true, judge: () => (tag === "UnsupportedVersion" ? [] : [told]) };
    },
  });
}
