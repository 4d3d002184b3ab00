/**
 * Long commands that end in good order when the user has had enough of them.
 *
 * The first SIGINT or SIGTERM is taken note of; one that comes a second later or more ends the process as ever. Whoever
 * sends a signal to a group of processes, such as timeout(1), may send it twice at once.
 */
const SIGNALS = ["SIGINT", "SIGTERM"] as const;
const SAME_WITHIN_MS = 1000;

/** Runs `body`, which ends early once its signal is aborted. */
export async function interruptible<A>(body: (interrupted: AbortSignal) => Promise<A>): Promise<A> {
  const interruption = new AbortController();
  let firstMs: number | undefined;
  const leave = (): void => {
    for (const signal of SIGNALS) process.removeListener(signal, note);
  };
  const note = (signal: NodeJS.Signals): void => {
    firstMs ??= performance.now();
    interruption.abort();
    if (performance.now() - firstMs < SAME_WITHIN_MS) return;
    leave();
    process.kill(process.pid, signal);
  };
  for (const signal of SIGNALS) process.on(signal, note);
  try {
    return await body(interruption.signal);
  } finally {
    leave();
  }
}
