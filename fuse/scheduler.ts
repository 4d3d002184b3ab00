/**
 * The scheduler of production: one queue for all fibers and actors of the process, in three lanes, with a budget.
 *
 * Effect's own gives every fiber its own dispatcher, which costs a turn of the event loop each and knows no priorities
 * across fibers. Here a drain runs up to `budgetTasks` tasks, urgent ones first, then lets the event loop have its
 * turn, so that timers and I/O are served under any load. A task that throws does not stop the ones behind it.
 */
import type { Fiber } from "effect/Fiber";
import type { Scheduler, SchedulerDispatcher } from "effect/Scheduler";

/** Consumed entries are dropped once there are so many of them. */
const COMPACT_ABOVE = 4096;

type Task = () => void;

/** First in, first out; amortised constant time, no allocation per task. */
class Lane {
  private tasks: Array<Task | undefined> = [];
  private head = 0;

  push(task: Task): void {
    this.tasks.push(task);
  }

  shift(): Task | undefined {
    if (this.head === this.tasks.length) {
      this.tasks.length = 0;
      this.head = 0;
      return undefined;
    }
    const task = this.tasks[this.head];
    this.tasks[this.head++] = undefined;
    if (this.head > COMPACT_ABOVE && this.head * 2 > this.tasks.length) {
      this.tasks.splice(0, this.head);
      this.head = 0;
    }
    return task;
  }
}

export interface SchedulerOptions {
  /** Tasks between two turns of the event loop. */
  readonly budgetTasks?: number;
  /** Operations after which a fiber makes way for others. */
  readonly fiberOperationsMax?: number;
}

export class ProductionScheduler implements Scheduler {
  readonly executionMode = "async" as const;
  private readonly urgent = new Lane();
  private readonly normal = new Lane();
  private readonly background = new Lane();
  private readonly budgetTasks: number;
  private readonly fiberOperationsMax: number;
  private scheduled = false;
  private draining = false;
  private readonly dispatcher: SchedulerDispatcher = {
    scheduleTask: (task, priority) => {
      this.lane(priority).push(task);
      this.kick();
    },
    flush: () => this.drain(),
  };

  constructor(options: SchedulerOptions = {}) {
    this.budgetTasks = options.budgetTasks ?? 2048;
    this.fiberOperationsMax = options.fiberOperationsMax ?? 2048;
  }

  shouldYield(fiber: Fiber<unknown, unknown>): boolean {
    return fiber.currentOpCount >= this.fiberOperationsMax;
  }

  makeDispatcher(): SchedulerDispatcher {
    return this.dispatcher;
  }

  private lane(priority: number): Lane {
    if (priority === 0) return this.normal;
    return priority < 0 ? this.urgent : this.background;
  }

  private kick(): void {
    if (this.scheduled || this.draining) return;
    this.scheduled = true;
    setImmediate(this.drain);
  }

  private readonly drain = (): void => {
    this.scheduled = false;
    if (this.draining) return;
    this.draining = true;
    let left = this.budgetTasks;
    let task: Task | undefined;
    try {
      while (left-- > 0) {
        task = this.urgent.shift() ?? this.normal.shift() ?? this.background.shift();
        if (task === undefined) return;
        task();
      }
    } finally {
      this.draining = false;
      // Behind the last task of the budget, or behind one that threw, there may be more.
      if (task !== undefined) this.kick();
    }
  };
}
