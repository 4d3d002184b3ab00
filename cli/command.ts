/**
 * What a command is: its words for `--help`, and a function from parsed arguments to an exit status.
 *
 * Each file of `cli/commands/` exports one `command: CommandSpec`. Every command takes `--json` without saying so. A
 * command parses, calls and prints; it decides nothing that a library user would have to decide again.
 */

import { UsageError } from "./exit.ts";

/** How the text behind an option is read: `bytes` takes 64M, `milliseconds` takes 60s. */
export type OptionKind = "flag" | "text" | "texts" | "count" | "bytes" | "milliseconds";

export interface OptionSpec {
  /** As shown by `--help`, for example `-o, --option <k=v>` or `--size <bytes>`. */
  readonly flags: string;
  readonly kind: OptionKind;
  readonly summary: string;
}

export interface ArgumentSpec {
  /** `<device>` is required, `[seed]` is not, and a name that ends in `...` takes all that are left. */
  readonly name: string;
  readonly summary: string;
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  readonly arguments: ReadonlyArray<ArgumentSpec>;
  readonly options: ReadonlyArray<OptionSpec>;
  /** Shown below the options by `--help`: examples, and what the exit status means here. */
  readonly notes?: string;
  /** Returns the exit status; throws `UsageError` or `CannotError` for one line on standard error. */
  readonly run: (args: ReadonlyArray<string>, options: Options) => Promise<number>;
}

/** The options that were given, by the camel-case form of their long names. */
export class Options {
  /** Print one JSON object (or one a line) and nothing else on standard output. */
  readonly json: boolean;
  private readonly given: Readonly<Record<string, unknown>>;

  constructor(given: Readonly<Record<string, unknown>>) {
    this.given = given;
    this.json = given["json"] === true;
  }

  /** By its name on the command line. */
  isGiven(option: string): boolean {
    return this.given[option.replace(/-(.)/gu, (_, letter: string) => letter.toUpperCase())] !== undefined;
  }

  flag(name: string): boolean {
    return this.given[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.given[name];
    return typeof value === "string" ? value : undefined;
  }

  /** All values of an option that may be given several times. */
  texts(name: string): ReadonlyArray<string> {
    const value = this.given[name];
    return Array.isArray(value) ? (value as ReadonlyArray<string>) : [];
  }

  /** A count, bytes or milliseconds. */
  number(name: string): number | undefined {
    const value = this.given[name];
    return typeof value === "number" ? value : undefined;
  }
}

/** Throws if one of the others was given: they mean nothing beside `option`. */
export function refuse(options: Options, option: string, others: ReadonlyArray<string>): void {
  const given = others.find((other) => options.isGiven(other));
  if (given !== undefined) throw new UsageError(`--${given} does not go with ${option}`);
}
