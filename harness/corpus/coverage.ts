/**
 * What a set of runs has reached: marks of the engine, and pairs of marks in one and the same run.
 *
 * A pair says more than its two marks: a bucket was collected in the very run in which the journal was full. It counts
 * how many of the runs reached each, so that a run can be taken out again.
 */

/** Each mark and each pair of marks of one run, by a key. `marks` has no mark twice. */
function keysOf(marks: ReadonlyArray<string>): Array<string> {
  const sorted = [...marks].sort();
  return sorted.flatMap((mark, index) => [mark, ...sorted.slice(index + 1).map((other) => `${mark}\n${other}`)]);
}

export class Coverage {
  private readonly runs = new Map<string, number>();
  private markCount = 0;

  add(marks: ReadonlyArray<string>): void {
    for (const key of keysOf(marks)) {
      const before = this.runs.get(key) ?? 0;
      this.runs.set(key, before + 1);
      if (before === 0 && !key.includes("\n")) this.markCount++;
    }
  }

  /** Takes out a run that was added with the same marks. */
  remove(marks: ReadonlyArray<string>): void {
    for (const key of keysOf(marks)) {
      const left = this.runs.get(key)! - 1;
      if (left > 0) this.runs.set(key, left);
      else this.runs.delete(key);
      if (left === 0 && !key.includes("\n")) this.markCount--;
    }
  }

  /** Whether a run with these marks reaches something that no run of the set did. */
  isNew(marks: ReadonlyArray<string>): boolean {
    return keysOf(marks).some((key) => !this.runs.has(key));
  }

  get marks(): number {
    return this.markCount;
  }

  get pairs(): number {
    return this.runs.size - this.markCount;
  }
}
