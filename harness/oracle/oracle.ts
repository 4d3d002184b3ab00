/**
 * The oracle of one run: the reference filesystem with its history, the clients that it watches, and its judgements.
 *
 * While the run goes on, `client` gives each client a view on which every answer is checked, and `mark` notes an
 * instant for a crash in a few words. Afterwards, or at any time, `judge` says of a recovered tree whether a crash at a
 * mark may have left it. It knows nothing of devices, faults or schedules.
 */
import type { Filesystem } from "../../engine/fs/types.ts";
import { CheckedClient, type Observable, type OracleViolation, type Tolerance } from "./checked-filesystem.ts";
import { CrashCheck, type Verdict } from "./crash-check.ts";
import type { FoundTree } from "./found-tree.ts";
import type { Mark } from "./history.ts";
import { Model } from "./model.ts";

export const STRICT: Tolerance = { noSpace: false, reasons: [] };

export class Oracle {
  readonly model: Model;
  private readonly tolerance: Tolerance;
  private readonly crashCheck: CrashCheck;
  private first: OracleViolation | undefined;

  /** `beginning`: what the filesystem holds already; nothing if left out. */
  constructor(tolerance: Tolerance = STRICT, beginning?: FoundTree) {
    this.model = new Model(beginning);
    this.tolerance = tolerance;
    this.crashCheck = new CrashCheck(this.model);
  }

  /** A checked view of the engine for one client, who calls one operation at a time. */
  client(name: string, engine: Observable): Filesystem {
    const client = new CheckedClient(name, this.model, this.tolerance, (violation) => {
      this.first ??= violation;
    });
    return client.view(engine);
  }

  /** The first answer that was wrong. */
  get violation(): OracleViolation | undefined {
    return this.first;
  }

  mark(): Mark {
    return this.model.history.mark();
  }

  /** The pool was closed cleanly: all is durable, and nobody has anything open. */
  closed(): void {
    this.model.history.syncCompleted(this.model.history.moment, "everything");
    this.model.releaseAll();
  }

  judge(mark: Mark, tree: FoundTree): Verdict {
    return this.crashCheck.judge(mark, tree);
  }
}
