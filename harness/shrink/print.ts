/**
 * A script as the text of a TypeScript module that exports it, for people to read and for the campaign to run.
 *
 * One operation a line, in the format of this repository's sources. It throws `Unprintable` for what is no data: a
 * timing that does not know how it was made.
 */
import { FaultPlan } from "../../devices/sim/faults.ts";
import { describePath } from "../crash-point.ts";
import type { Life } from "../scenario.ts";
import { RECORDED_SEED, type Script } from "./script.ts";

/** Part of a run that is a program and cannot be written down. */
export class Unprintable extends Error {
  override readonly name = "Unprintable";
}

export interface PrintOptions {
  /** The seed that it was made from, such as `rename-replace:17`. */
  readonly origin: string;
  /** What is wrong, as the seed says it. */
  readonly message: string;
  /** Where `scripted`, `FaultPlan` and the timings are imported from. */
  readonly modules: { readonly script: string; readonly faults: string; readonly timing: string };
}

const WIDTH = 120;
const MESSAGE_LINES_MAX = 12;
/** Text that stands in the program as it is. */
class Code {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export function printScript(script: Script, { origin, message, modules }: PrintOptions): string {
  const { name, summary, draws, clients, crash, lives, disk, ...setting } = script;
  const { timing, faults, ...restOfDisk } = disk ?? {};
  const source = timing === undefined ? undefined : (timing.source ?? "");
  if (source === "") throw new Unprintable("its disk has a timing that is a program");
  const timed = source === undefined ? [] : [{ from: modules.timing, names: [/^\w+/u.exec(source)![0]] }];
  const faulty =
    faults === undefined && crash.faults === undefined ? [] : [{ from: modules.faults, names: ["FaultPlan"] }];
  const imports = [{ from: modules.script, names: ["scripted"] }, ...timed, ...faulty];
  const data = {
    ...{ name, summary, draws, ...setting },
    ...(disk === undefined
      ? {}
      : {
          disk: {
            ...restOfDisk,
            ...(source === undefined ? {} : { timing: new Code(spaced(source)) }),
            ...(faults === undefined ? {} : { faults }),
          },
        }),
  };
  const lines = Object.entries(data).map(([key, value]) => `  ${key}: ${text(value, 2, key.length + 3)},`);
  if (crash.only !== undefined) lines.push(...describePath(crash.only).map((line) => `  // ${line}.`));
  lines.push(`  crash: ${text(crash, 2, 8)},`, `  clients: ${operations(clients)},`);
  if (lives !== undefined) lines.push(`  lives: ${livesText(lives)},`);
  return [
    ...docblock(origin, message),
    ...importLines(imports),
    "",
    "export const scenario = scripted({",
    ...lines,
    "});",
    "",
  ].join("\n");
}

export function docblock(origin: string, message: string): ReadonlyArray<string> {
  const told = message.split("\n").filter((line) => !/^\s+at /u.test(line));
  const kept = told.slice(0, MESSAGE_LINES_MAX);
  const paragraph = `\`${origin}\`, made as short as it still fails. Seed ${RECORDED_SEED} repeats that run, the others crash the same operations elsewhere. It failed with:`;
  return [
    "/**",
    ...wrapped(paragraph).map((line) => ` * ${line}`),
    " *",
    ...kept.flatMap((line) => wrapped(line.replaceAll("*/", "* /"))).map((line) => ` *     ${line}`.trimEnd()),
    ...(told.length > kept.length ? [` *     and ${told.length - kept.length} lines more`] : []),
    " */",
  ];
}

function wrapped(line: string): ReadonlyArray<string> {
  const lines: Array<string> = [];
  let current = "";
  for (const word of line.split(" ")) {
    if (current !== "" && current.length + word.length > WIDTH - 10) {
      lines.push(current);
      current = word;
    } else current = current === "" ? word : `${current} ${word}`;
  }
  return [...lines, current];
}

function importLines(
  imports: ReadonlyArray<{ readonly from: string; readonly names: ReadonlyArray<string> }>,
): ReadonlyArray<string> {
  const byModule = new Map<string, Array<string>>();
  for (const { from, names } of imports) byModule.set(from, [...(byModule.get(from) ?? []), ...names]);
  return [...byModule]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([from, names]) => `import { ${names.sort().join(", ")} } from ${JSON.stringify(from)};`);
}

/** Each client's operations in a list of their own, one a line however short they are. */
function operations(clients: Script["clients"]): string {
  const lists = clients.map((list) => {
    const lines = list.map((operation) => `      ${text(operation, 6, 0)},`);
    return lines.length === 0 ? "    []," : ["    [", ...lines, "    ],"].join("\n");
  });
  return ["[", ...lists, "  ]"].join("\n");
}

/** What the recovered pool is used for, in the same way. */
function livesText(lives: ReadonlyArray<Life>): string {
  const texts = lives.map(({ operations: list, closes }) => {
    const lines = list.map((operation) => `        ${text(operation, 8, 0)},`);
    const shown = list.length < 2 ? text(list, 6, 12) : ["[", ...lines, "      ]"].join("\n");
    return `    {\n      operations: ${shown},\n      closes: ${closes},\n    },`;
  });
  return ["[", ...texts, "  ]"].join("\n");
}

/** A value on one line if it fits behind what stands before it, else one member a line. */
export function text(value: unknown, indent: number, before: number): string {
  const flat = flatText(value);
  if (indent + before + flat.length + 1 <= WIDTH && !isListOfObjects(value)) return flat;
  const inner = " ".repeat(indent + 2);
  const close = " ".repeat(indent);
  if (Array.isArray(value)) {
    return `[\n${value.map((each) => `${inner}${text(each, indent + 2, 0)},`).join("\n")}\n${close}]`;
  }
  if (value instanceof FaultPlan) return `new FaultPlan(${value.seed}, ${text(value.faults, indent, before + 20)})`;
  if (typeof value !== "object" || value === null || value instanceof Code) return flat;
  const members = Object.entries(value).map(
    ([key, member]) => `${inner}${keyText(key)}: ${text(member, indent + 2, key.length + 3)},`,
  );
  return `{\n${members.join("\n")}\n${close}}`;
}

const isListOfObjects = (value: unknown): boolean =>
  (Array.isArray(value) && value.length > 1 && value.every((each) => typeof each === "object")) ||
  (value instanceof FaultPlan && isListOfObjects(value.faults));

const keyText = (key: string): string => (/^[A-Za-z_$][\w$]*$/u.test(key) ? key : JSON.stringify(key));

function flatText(value: unknown): string {
  if (value instanceof Code) return value.text;
  if (value instanceof FaultPlan) return `new FaultPlan(${value.seed}, ${flatText(value.faults)})`;
  if (value instanceof Uint8Array) return `Uint8Array.of(${value.join(", ")})`;
  if (Array.isArray(value)) return `[${value.map(flatText).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "undefined";
  const members = Object.entries(value).map(([key, member]) => `${keyText(key)}: ${flatText(member)}`);
  return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`;
}

/** `f({"a":1},2)` as the formatter has it. */
function spaced(source: string): string {
  const json = /\{.*\}/u.exec(source);
  return json === null ? source : source.replace(json[0], flatText(JSON.parse(json[0])));
}
