/**
 * How this program was started, so that commands which it prints can be copied and run as they are.
 */
import { basename, relative } from "node:path";

/** Names the outer program to one that it starts for a single command, such as a build with a planted bug. */
export const INVOKED_AS = "VARVE_INVOKED_AS";

/** `varve` when it is installed, else what runs it from a clone. */
export function invocation(
  argv: ReadonlyArray<string> = process.argv,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  folder: string = process.cwd(),
): string {
  const startedAs = environment[INVOKED_AS];
  if (startedAs !== undefined) return startedAs;
  if (environment["npm_lifecycle_event"] === "varve") return "npm run -s varve --";
  const script = argv[1] ?? "varve";
  if (basename(script) === "varve") return "varve";
  return `node ${relative(folder, script)}`;
}
