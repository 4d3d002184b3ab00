/**
 * The load of names: a program of its own that makes, looks at, renames and removes files, and says how fast.
 *
 * `node metadata-load.js names|small-files DIRECTORY COUNT`. Calls are made one after another, each when the one before
 * has returned; the clock starts behind the start of the program. Prints one line of JSON: operations a second by name.
 */
import { closeSync, mkdirSync, openSync, renameSync, rmdirSync, statSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";

const FILES_A_DIRECTORY = 100;
const SMALL_BYTES = 4096;

function rate(count: number, operation: (index: number) => void): number {
  const started = performance.now();
  for (let index = 0; index < count; index++) operation(index);
  return (count * 1000) / (performance.now() - started);
}

function directoriesIn(root: string, count: number): ReadonlyArray<string> {
  mkdirSync(root);
  return Array.from({ length: Math.ceil(count / FILES_A_DIRECTORY) }, (_, index) => {
    const directory = join(root, `directory${index}`);
    mkdirSync(directory);
    return directory;
  });
}

function names(root: string, count: number): Record<string, number> {
  const directories = directoriesIn(root, count);
  const path = (kind: string, index: number): string =>
    `${directories[Math.floor(index / FILES_A_DIRECTORY)]!}/${kind}${index}`;
  const figures = {
    create: rate(count, (index) => closeSync(openSync(path("file", index), "wx"))),
    stat: rate(count, (index) => void statSync(path("file", index))),
    rename: rate(count, (index) => renameSync(path("file", index), path("renamed", index))),
    unlink: rate(count, (index) => unlinkSync(path("renamed", index))),
  };
  for (const directory of [...directories, root]) rmdirSync(directory);
  return figures;
}

/** Bytes that do not compress, other ones in each file. */
function content(): (index: number) => Uint8Array {
  const words = new Uint32Array(SMALL_BYTES / 4);
  const bytes = new Uint8Array(words.buffer);
  let state = 1;
  words.forEach((_, at) => (words[at] = state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0));
  return (index) => {
    words[index % words.length] = Math.imul(index + 1, 2_654_435_761);
    return bytes;
  };
}

function smallFiles(root: string, count: number): Record<string, number> {
  const directories = directoriesIn(root, count);
  const contentOf = content();
  const path = (index: number): string => `${directories[Math.floor(index / FILES_A_DIRECTORY)]!}/small${index}`;
  const write = rate(count, (index) => {
    const file = openSync(path(index), "wx");
    const written = writeSync(file, contentOf(index));
    closeSync(file);
    if (written !== SMALL_BYTES) throw new Error(`${path(index)}: written in part`);
  });
  for (let index = 0; index < count; index++) unlinkSync(path(index));
  for (const directory of [...directories, root]) rmdirSync(directory);
  return { "small-files": write };
}

const [load, root, count] = process.argv.slice(2);
const loads: Readonly<Record<string, (root: string, count: number) => Record<string, number>>> = {
  names,
  "small-files": smallFiles,
};
process.stdout.write(`${JSON.stringify(loads[load!]!(root!, Number(count)))}\n`);
