/**
 * The order in which operations took effect, and which of them are known to be durable.
 *
 * Every operation that changes something gets a *moment*, counted from 1 in the order of linearization; 0 is the state
 * at the beginning. The history only grows, so a crash instant is two integers (a `Mark`) and may be judged at any
 * later time, or in the middle of the run. Nothing is ever taken back.
 */
import type { SurvivorMemory } from "../../engine/journal/survivor-scan.ts";
import type { Inode } from "./inode.ts";

/** An instant of the history. */
export interface Mark {
  /** Changes linearized so far. */
  readonly moment: number;
  /** Syncs completed so far. */
  readonly syncs: number;
  /** Everything up to this moment outlived what happened, whether it was synced or not. */
  readonly keptMoment?: number;
  /** The memory that it outlived in. */
  readonly ram?: { fork(): SurvivorMemory };
}

/** A completed fsync or syncfs. */
export interface CompletedSync {
  readonly startedMoment: number;
  /** Whose data it made durable; undefined if the inode was gone. */
  readonly scope: Inode | "everything" | undefined;
}

export interface Change {
  readonly label: string;
  /** Inodes whose entry in the namespace the change touched; undefined for a write, which is none of the namespace's. */
  readonly touched: ReadonlyArray<Inode> | undefined;
}

export class History {
  /** Changes by moment; index 0 is the beginning. */
  readonly changes: Array<Change> = [{ label: "the beginning", touched: [] }];
  /** Moments of the namespace's changes, ascending, the beginning among them. */
  readonly namespaceMoments: Array<number> = [0];
  readonly syncs: Array<CompletedSync> = [];

  get moment(): number {
    return this.changes.length - 1;
  }

  /** Gives the next change its moment. */
  advance(label: string, touched: ReadonlyArray<Inode> | undefined): number {
    this.changes.push({ label, touched });
    if (touched !== undefined) this.namespaceMoments.push(this.moment);
    return this.moment;
  }

  syncCompleted(startedMoment: number, scope: CompletedSync["scope"]): void {
    this.syncs.push({ startedMoment, scope });
  }

  mark(): Mark {
    return { moment: this.moment, syncs: this.syncs.length };
  }

  label(moment: number): string {
    return moment === 0 ? "the beginning" : `#${moment} ${this.changes[moment]?.label ?? "?"}`;
  }

  /** All changes up to the returned moment must have survived a crash at `mark`. */
  floorMoment(mark: Mark): number {
    let floor = mark.keptMoment ?? 0;
    for (let index = 0; index < mark.syncs; index++) {
      floor = Math.max(floor, (this.syncs[index] as CompletedSync).startedMoment);
    }
    return floor;
  }

  /** The data of `inode` written up to the returned moment must have survived a crash at `mark`. */
  settledMoment(mark: Mark, inode: Inode): number {
    let settled = mark.keptMoment ?? 0;
    for (let index = 0; index < mark.syncs; index++) {
      const sync = this.syncs[index] as CompletedSync;
      if (sync.scope === "everything" || sync.scope === inode) settled = Math.max(settled, sync.startedMoment);
    }
    return settled;
  }

  /** Index of the last change of the namespace at or before `moment`. */
  namespaceIndexAt(moment: number): number {
    let index = this.namespaceMoments.length - 1;
    while ((this.namespaceMoments[index] as number) > moment) index--;
    return index;
  }
}
