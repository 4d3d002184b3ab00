/**
 * Which build runs: the version of the package, and a digest of the modules that decide what a seed does.
 *
 * Those are the engine, the devices, the harness and the scenarios as they were built, and the module of the scenarios if
 * it is another. The command line is not among them.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDERS = ["devices", "engine", "harness", "scenarios"];
const DIGITS = 12;

/** Of the build in a folder, whose modules end with `extension`. `besides`: other modules that matter. */
export function buildOf(version: string, root: string, extension: string, besides: ReadonlyArray<string> = []): string {
  const inFolders = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
  )
    .filter((file) => file.endsWith(extension))
    .sort();
  const hash = createHash("sha256");
  for (const file of inFolders) hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  for (const file of besides) hash.update("\n").update(readFileSync(file));
  return `${version}+${hash.digest("hex").slice(0, DIGITS)}`;
}

/** Of the build that this module is part of. */
export function ownBuild(version: string, besides: ReadonlyArray<string> = []): string {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  return buildOf(version, fileURLToPath(new URL("../..", import.meta.url)), extension, besides);
}
