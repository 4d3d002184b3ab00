/**
 * `varve campaign --resume`: the file in which a campaign keeps its results.
 */
import { fileURLToPath } from "node:url";
import { CampaignLog } from "../harness/campaign-log.ts";
import { ownBuild } from "../harness/corpus/build.ts";
import { CannotError, UsageError } from "./exit.ts";
import { keepOthersOut } from "./in-use.ts";
import { type Chosen, registry as ours } from "./laboratory.ts";
import { version } from "./version.ts";

interface Kept {
  readonly log: CampaignLog;
  readonly close: () => void;
}

/** Opens the file, or begins it; refuses one that is of another campaign. */
export function campaignFile(
  file: string,
  { registry, names }: Pick<Chosen, "registry" | "names">,
  seeds: { readonly from: number; readonly to: number },
  verifyShare: number,
): Kept {
  const build = ownBuild(version(), registry === ours ? [] : [fileURLToPath(registry.url)]);
  const unlock = keepOthersOut(file, `${file}.lock`);
  try {
    const log = CampaignLog.open(file, { build, ...seeds, verifyShare, scenarios: names });
    const close = (): void => {
      log.close();
      unlock();
    };
    return { log, close };
  } catch (error) {
    unlock();
    const said = error instanceof Error ? error.message : String(error);
    if (error instanceof Error && "code" in error) throw new CannotError(`${file}: ${said}`);
    throw new UsageError(`${file} cannot be gone on from: ${said}`);
  }
}
