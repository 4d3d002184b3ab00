/**
 * A scenario for tests of the report: the reference filesystem is told of a directory that nobody made, so that every
 * state behind the next sync is wrong in the same way, whatever the engine does.
 */
import * as Effect from "effect/Effect";
import { ROOT_INODE } from "../../engine/fs/types.ts";
import { tiny } from "../canaries.ts";
import type { Program } from "../scenario.ts";

const OWNER = { uid: 0, gid: 0 };
const name = (text: string): Uint8Array => new TextEncoder().encode(text);

const program: Program = ({ filesystem, model }) =>
  Effect.gen(function* () {
    const { inode } = yield* filesystem.mknod(ROOT_INODE, name("kept"), 0o100644, 0, OWNER);
    yield* filesystem.write(inode, 0, new Uint8Array(9000).fill(7));
    yield* filesystem.fsync(inode);
    model.mkdir({ label: "nobody: mkdir(1/lie)" }, ROOT_INODE, name("lie"), 0o755, OWNER);
    yield* filesystem.syncfs;
    yield* filesystem.write(inode, 0, new Uint8Array(100).fill(8));
    yield* filesystem.fsync(inode);
  });

export const lyingModel = tiny("lying-model", [program], {
  crash: { statesMax: 40, pointShare: 1, recoveryShare: 0, livesShare: 0 },
});
