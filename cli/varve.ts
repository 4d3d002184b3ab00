#!/usr/bin/env node
/**
 * The program `varve`: the entry point, which loads as little as it can.
 *
 * The first import must stay the first: it keeps Effect from binding every fiber to an AsyncResource, and Effect looks
 * only once, when it is first loaded.
 */
import "../harness/noasync.ts";
import { runCommandLine } from "./program.ts";
import { version } from "./version.ts";

// A reader that goes away (`varve scenarios | head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

process.exitCode = await runCommandLine(process.argv.slice(2), version());
