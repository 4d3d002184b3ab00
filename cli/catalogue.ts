/**
 * The commands by name, with what `varve --help` says of each, and how each is loaded.
 *
 * A command's file, and with it the engine, is imported only when that command runs: this list is all that the other
 * ways through the program need.
 */
import type { CommandSpec } from "./command.ts";

export interface CatalogueEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: CommandSpec }>;
}

const entry = (name: string, summary: string, load: CatalogueEntry["load"]): CatalogueEntry => ({
  name,
  summary,
  load,
});

export const catalogue: ReadonlyArray<CatalogueEntry> = [
  entry("format", "make a pool on a device or in a file", () => import("./commands/format.ts")),
  entry("mount", "mount a pool on a directory", () => import("./commands/mount.ts")),
  entry("umount", "unmount a pool cleanly", () => import("./commands/umount.ts")),
  entry("restart", "replace the server of a mount by a new one", () => import("./commands/restart.ts")),
  entry("supervise", "keep a mount alive, below varve mount", () => import("./commands/supervise.ts")),
  entry("status", "tell how a pool is, mounted or not", () => import("./commands/status.ts")),
  entry("top", "show live what a mount is doing", () => import("./commands/top.ts")),
  entry("check", "verify everything in a pool, changing nothing", () => import("./commands/check.ts")),
  entry("usage", "show how the space of a pool is used", () => import("./commands/usage.ts")),
  entry("inspect", "show a structure of a pool as it is on the device", () => import("./commands/inspect.ts")),
  entry("campaign", "crash the engine on simulated disks, seed after seed", () => import("./commands/campaign.ts")),
  entry("replay", "run one seed of a scenario again", () => import("./commands/replay.ts")),
  entry("scenarios", "list the scenarios of the campaign", () => import("./commands/scenarios.ts")),
  entry("explore", "crash every short sequence of operations everywhere", () => import("./commands/explore.ts")),
  entry("mutants", "show that the campaign catches planted bugs", () => import("./commands/mutants.ts")),
  entry("corrupt", "mount corrupted images and see what comes", () => import("./commands/corrupt.ts")),
  entry("export", "serve a simulated disk as a file, for a loop device", () => import("./commands/export.ts")),
  entry("bench", "measure the engine", () => import("./commands/bench.ts")),
];
