/**
 * Long commands that end in good order when the user has had enough of them.
 *
 * The first SIGINT or SIGTERM is taken note of; another one ends the process as ever.
 */
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Runs `body`, which asks now and then whether it is to end. */
export async function interruptible<A>(body: (interrupted: () => boolean) => Promise<A>): Promise<A> {
  let interrupted = false;
  const note = (): void => {
    interrupted = true;
  };
  for (const signal of SIGNALS) process.once(signal, note);
  try {
    return await body(() => interrupted);
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, note);
  }
}
