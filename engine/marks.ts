/**
 * Must-happen marks: the engine says `reached("journal wrapped")` where something rare happens, and a campaign
 * reports how often each mark was hit, so that a gate can fail when a path is never taken.
 *
 * Counting is process-wide and has no influence on behaviour; nothing in the engine reads it.
 */

export const marks: Map<string, number> = new Map();

export function reached(name: string): void {
  marks.set(name, (marks.get(name) ?? 0) + 1);
}

export function resetMarks(): void {
  marks.clear();
}
