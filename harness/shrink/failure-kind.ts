/**
 * In which way a seed fails: what its message says, without whatever differs from run to run.
 *
 * Two runs fail in the same way when they fail in the same part of the run and with the same complaint: the same pass
 * of the check, the same sort of difference from the reference filesystem, the same wrong answer to the same operation,
 * or the same error. Numbers, names and values are left out, and how many crashes it took.
 */
import type { SeedFailure } from "../run.ts";

const LAST_LINE_OF_STACK = /^\s+at /u;
/** What a state says that was crashed more than once, or whose disk went away meanwhile. */
const CRASHED_AGAIN = /^(?:(?:(?:recovery crashed|used and crashed again) at [^:]+: [^:]+|the disk went [^:]+): )+/u;

export function kindOf({ where, message }: SeedFailure): string {
  const lines = message.split("\n").filter((line) => !LAST_LINE_OF_STACK.test(line));
  const titled = where === "crash" || lines[0] === "after a clean close:";
  const complaints = lines.slice(titled ? 1 : 0).map((line) => line.replace(CRASHED_AGAIN, ""));
  const first = complaints[0]?.startsWith("recovered is not") === true ? difference(complaints) : complaints[0];
  return `${where}: ${complaintOf(first ?? "")}`;
}

/** The first difference that follows the summary. */
const difference = (complaints: ReadonlyArray<string>): string | undefined =>
  complaints.slice(1).find((line) => !line.startsWith("closest is")) ?? complaints[0];

function complaintOf(line: string): string {
  const check = /^check, [^:]+/u.exec(line);
  if (check !== null) return check[0];
  const answer = /^client [^:(]+: (\w+)(?:\(.*?\))?: (.*)$/u.exec(line);
  if (answer !== null) return `answer to ${answer[1]}: ${withoutValues(answer[2]!)}`;
  return withoutValues(line.replace(/^at [\d.]+ s /u, "").replace(/^\/[^:]*: /u, ""));
}

/** Up to the first list of values, with numbers and names replaced. */
function withoutValues(text: string): string {
  return text
    .replace(/; waiting: .*/u, "")
    .replace(/^attribute \S+/u, "attribute")
    .replace(/[,({;"].*/u, "")
    .replace(/ is (?!missing).*/u, " is wrong")
    .replaceAll(/\b0?[xo]?[\da-f]*\d[\da-f]*\b/giu, "N")
    .trim();
}
