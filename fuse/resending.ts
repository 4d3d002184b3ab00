/**
 * When everything that a server before this one had taken, and not answered, has been sent again.
 *
 * The kernel puts it in front of all that is new. Until this is over everything is kept that the server before had kept,
 * and the next one would have to read it all: it should be over as soon as it can be.
 */

/** It is over when so long has passed; or, since threads may read at the same time, this long behind what is new. */
const WITHIN_MS = 10_000;
const BEFORE_NEW_MS = 1000;

export class Resending {
  private readonly over: () => void;
  private timer: NodeJS.Timeout | undefined;

  /** `over` is called once. */
  constructor(over: () => void) {
    this.over = over;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      over();
    }, WITHIN_MS).unref();
  }

  /** A request came that had not been sent before. */
  newCame(): void {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    setTimeout(this.over, BEFORE_NEW_MS).unref();
  }
}
