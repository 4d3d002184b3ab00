/**
 * docs/cli.md, made from the commands themselves; pure but for loading them.
 */
import { catalogue } from "./catalogue.ts";
import type { CommandSpec } from "./command.ts";

const INTRODUCTION = `# The command line

<!-- Generated from cli/commands. Do not edit: change the commands or cli/document.ts. -->

\`varve COMMAND --help\` shows what stands here. Every command takes \`--json\`: standard output then carries JSON objects,
one a line, and nothing else. Progress goes to standard error: one line that rewrites itself on a terminal, at most a
line a second elsewhere. Sizes are powers of 1024 (\`64M\`, \`64MiB\`), durations take a unit (\`500ms\`, \`90s\`, \`5m\`; a bare
number is seconds).

| exit status | meaning |
| --- | --- |
| 0 | fine |
| 1 | the command did its work and found something: a failing seed, damage |
| 2 | used wrongly |
| 3 | could not do it |

Whatever goes wrong is told in one line on standard error that begins with \`varve:\`, and nothing is changed then.
`;

/** Text in a cell of a table must not end the cell. */
const cell = (text: string): string => text.replaceAll("|", "\\|");

function section(command: CommandSpec): string {
  const usage = [
    "varve",
    command.name,
    ...(command.options.length > 0 ? ["[options]"] : []),
    ...command.arguments.map(({ name }) => name),
  ];
  const lines = [
    `## varve ${command.name}`,
    "",
    `${command.summary[0]!.toUpperCase()}${command.summary.slice(1)}.`,
    "",
  ];
  lines.push("```", usage.join(" "), "```", "");
  const rows = [
    ...command.arguments.map(({ name, summary }) => [name, summary] as const),
    ...command.options.map(({ flags, summary }) => [flags, summary] as const),
  ];
  if (rows.length > 0) {
    lines.push("| | |", "| --- | --- |");
    for (const [name, summary] of rows) lines.push(`| \`${cell(name)}\` | ${cell(summary)} |`);
    lines.push("");
  }
  if (command.notes !== undefined) lines.push("```", command.notes, "```", "");
  return lines.join("\n");
}

/** The whole page. */
export async function commandLineDocument(): Promise<string> {
  const sections: Array<string> = [];
  for (const { load } of catalogue) sections.push(section((await load()).command));
  return `${INTRODUCTION}\n${sections.join("\n").trimEnd()}\n`;
}
