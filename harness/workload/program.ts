/**
 * Programs for the clients of a scenario: random ones from a profile, scripted ones from a list of operations.
 *
 * A program carries its operations out one after another and does not mind their failures, since the oracle has judged
 * them already. `note` hears every operation before it runs, so that a run can be printed or replayed as a script.
 */
import * as Effect from "effect/Effect";
import type { Client, Program } from "../scenario.ts";
import { Draw } from "./draw.ts";
import { type Operation, perform, performer } from "./operation.ts";
import type { Profile } from "./profile.ts";

export type Note = (client: string, operation: Operation) => void;

export function randomProgram(profile: Profile, operations: number, note?: Note): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const by = performer(client.filesystem);
      const draw = new Draw(client.random, client.model, profile, by.handles);
      for (let count = 0; count < operations; count++) {
        const operation = draw.next();
        note?.(client.name, operation);
        yield* perform(operation, by);
      }
    });
}

export function scriptedProgram(operations: ReadonlyArray<Operation>, note?: Note): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const by = performer(client.filesystem);
      for (const operation of operations) {
        note?.(client.name, operation);
        yield* perform(operation, by);
      }
    });
}

/** One program after the other, in the same client. */
export function inSequence(...programs: ReadonlyArray<Program>): Program {
  return (client: Client) => Effect.forEach(programs, (program) => program(client), { discard: true });
}
