/**
 * For tests of what can only be seen on a build: the build of these sources, in a folder of its own, so that a `dist/`
 * that is in use stays as it is.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Root of the repository. */
export const sources: string = fileURLToPath(new URL("..", import.meta.url));

export interface TestBuild {
  /** To be removed by whoever asked for it. */
  readonly folder: string;
  readonly dist: string;
}

export interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly errors: string;
}

/** Builds what runs into a new folder; throws what the compiler says, if it says anything. */
export function buildApart(name: string): TestBuild {
  const folder = mkdtempSync(join(tmpdir(), `varve-${name}-`));
  const dist = join(folder, "dist");
  symlinkSync(join(sources, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), readFileSync(join(sources, "package.json")));
  const compiler = join(sources, "node_modules", "typescript", "bin", "tsc");
  const onlyCode = ["--declaration", "--sourceMap", "--isolatedDeclarations"].flatMap((option) => [option, "false"]);
  const args = [compiler, "-p", "tsconfig.build.json", "--outDir", dist, ...onlyCode];
  const built = spawnSync(process.execPath, args, { cwd: sources, encoding: "utf8" });
  if (built.status !== 0 || built.stdout !== "") throw new Error(`the build failed: ${built.stdout}${built.stderr}`);
  return { folder, dist };
}

/** Runs the command line of a build in `folder`, to its end. */
export function runBuilt(dist: string, folder: string, args: ReadonlyArray<string>): Ended {
  const command = [join(dist, "cli", "varve.js"), ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: folder, encoding: "utf8" });
  return { status, out: stdout, errors: stderr };
}
