/**
 * Long commands that end in good order when the user has had enough of them.
 *
 * The first SIGINT or SIGTERM is taken note of; one that comes a second later or more ends the process as ever. Whoever
 * sends a signal to a group of processes, such as timeout(1), may send it twice at once.
 */
const SIGNALS = ["SIGINT", "SIGTERM"] as const;
const SAME_WITHIN_MS = 1000;

/** Runs `body`, which asks now and then whether it is to end. */
export async function interruptible<A>(body: (interrupted: () => boolean) => Promise<A>): Promise<A> {
  let firstMs: number | undefined;
  const leave = (): void => {
    for (const signal of SIGNALS) process.removeListener(signal, note);
  };
  const note = (signal: NodeJS.Signals): void => {
    firstMs ??= performance.now();
    if (performance.now() - firstMs < SAME_WITHIN_MS) return;
    leave();
    process.kill(process.pid, signal);
  };
  for (const signal of SIGNALS) process.on(signal, note);
  try {
    return await body(() => firstMs !== undefined);
  } finally {
    leave();
  }
}
