/**
 * What a mount must do, as cases that any test runner can run, over any transport.
 */
import { attributeCases } from "./attributes.ts";
import type { MountCase } from "./case.ts";
import { dataCases } from "./data.ts";
import { keptBackCases } from "./kept-back.ts";
import { linuxCases } from "./linux.ts";
import { nameCases } from "./names.ts";
import { orphanCases } from "./orphans.ts";
import { toolCases } from "./tools.ts";

export type { MountCase } from "./case.ts";

export const mountCases: Readonly<Record<string, ReadonlyArray<MountCase>>> = {
  names: nameCases,
  data: dataCases,
  "kept back": keptBackCases,
  attributes: attributeCases,
  linux: linuxCases,
  orphans: orphanCases,
  tools: toolCases,
};
