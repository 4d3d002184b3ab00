/**
 * From a command line to a command's `run`: commander parses, this binds it to the catalogue and to `CommandSpec`.
 *
 * Only the command that is named is loaded. Whatever goes wrong ends in one line on standard error that begins with
 * `varve:`, and in one of the statuses of exit.ts; nothing here ends the process.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { catalogue } from "./catalogue.ts";
import { type CommandSpec, type OptionKind, Options, type OptionSpec } from "./command.ts";
import { CannotError, Status, UsageError } from "./exit.ts";
import { parseBytes, parseCount, parseMilliseconds } from "./quantity.ts";

const DESCRIPTION = "Varve: a copy-on-write storage engine and POSIX filesystem, built simulation-first";

const reader =
  (parse: (text: string) => number | undefined, expected: string) =>
  (text: string): number => {
    const value = parse(text);
    if (value === undefined) throw new InvalidArgumentError(`expected ${expected}.`);
    return value;
  };

const READERS: Partial<Record<OptionKind, (text: string, previous: unknown) => unknown>> = {
  texts: (text, previous) => [...(Array.isArray(previous) ? (previous as ReadonlyArray<string>) : []), text],
  count: reader(parseCount, "a whole number"),
  bytes: reader(parseBytes, "a size such as 64M"),
  milliseconds: reader(parseMilliseconds, "a duration such as 60s"),
};

function optionOf({ flags, kind, summary }: OptionSpec): Option {
  const option = new Option(flags, summary);
  const read = READERS[kind];
  return read === undefined ? option : option.argParser(read);
}

/** The commander command of a specification; `settle` gets the exit status. */
function bind(parent: Command, spec: CommandSpec, settle: (status: number) => void): void {
  const command = parent.command(spec.name).summary(spec.summary).description(spec.summary);
  for (const { name, summary } of spec.arguments) command.argument(name, summary);
  for (const option of spec.options) command.addOption(optionOf(option));
  command.option("--json", "print JSON on standard output, and nothing else there");
  if (spec.notes !== undefined) command.addHelpText("after", `\n${spec.notes}`);
  command.action(async (...values: ReadonlyArray<unknown>) => {
    // Commander passes the positional values, then the options, then the command.
    const positional = values.slice(0, spec.arguments.length).flat();
    const args = positional.filter((value): value is string => typeof value === "string");
    settle(await spec.run(args, new Options(command.opts())));
  });
}

async function programFor(
  name: string | undefined,
  version: string,
  settle: (status: number) => void,
): Promise<Command> {
  const program = new Command("varve")
    .description(DESCRIPTION)
    .version(version, "-V, --version")
    .helpCommand("help [command]", "show the help of a command")
    .exitOverride()
    .configureOutput({ outputError: (_text, _write) => {} })
    .showSuggestionAfterError(true);
  for (const entry of catalogue) {
    if (entry.name === name) bind(program, (await entry.load()).command, settle);
    else program.command(entry.name).summary(entry.summary).description(entry.summary);
  }
  return program;
}

/** The command that the line names: `varve help format` names `format`, too. */
function commandNamed(argv: ReadonlyArray<string>): string | undefined {
  const words = argv.filter((word) => !word.startsWith("-"));
  return words[0] === "help" ? words[1] : words[0];
}

function oneLine(error: CommanderError, name: string | undefined): string {
  const said = error.message.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " ");
  const known = catalogue.some((entry) => entry.name === name);
  return `${said.replace(/\.$/, "")}; see varve ${known ? `${name} ` : ""}--help`;
}

/** Runs a command line (without the two words that start node) and returns the exit status. */
export async function runCommandLine(argv: ReadonlyArray<string>, version: string): Promise<number> {
  const name = commandNamed(argv);
  const complain = (line: string): void => {
    process.stderr.write(`varve: ${line}\n`);
  };
  let status: number = Status.fine;
  try {
    const program = await programFor(name, version, (settled) => (status = settled));
    if (argv.length === 0) {
      program.outputHelp({ error: true });
      return Status.usage;
    }
    await program.parseAsync(argv, { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return Status.fine;
      complain(oneLine(error, name));
      return Status.usage;
    }
    if (error instanceof UsageError || error instanceof CannotError) {
      complain(error.message);
      return error instanceof UsageError ? Status.usage : Status.cannot;
    }
    complain(`this is a bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return Status.cannot;
  }
}
