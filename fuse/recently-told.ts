/**
 * Which inodes the kernel was told the attributes of a moment ago, and may still remember.
 *
 * Two generations of a set, each as long as the kernel remembers: bounded by the requests of that time, exact enough to
 * say "no" for sure. No timers; the clock is read when something is told.
 */

export class RecentlyTold {
  private readonly rememberedMs: number;
  private readonly nowMs: () => number;
  private current: Set<number> = new Set();
  private previous: Set<number> = new Set();
  private startedMs: number;

  constructor(rememberedMs: number, nowMs: () => number) {
    this.rememberedMs = rememberedMs;
    this.nowMs = nowMs;
    this.startedMs = nowMs();
  }

  add(inode: number): void {
    this.turn();
    this.current.add(inode);
  }

  has(inode: number): boolean {
    this.turn();
    return this.current.has(inode) || this.previous.has(inode);
  }

  private turn(): void {
    const ageMs = this.nowMs() - this.startedMs;
    if (ageMs < this.rememberedMs) return;
    this.previous = ageMs < 2 * this.rememberedMs ? this.current : new Set();
    this.current = new Set();
    this.startedMs += ageMs;
  }
}
