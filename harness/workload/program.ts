/**
 * Programs for the clients of a scenario: random ones from a profile, scripted ones from a list of operations.
 *
 * A program carries its operations out one after another and does not mind their failures, since the oracle has judged
 * them already. The client's `note` hears every operation before it runs.
 */
import * as Effect from "effect/Effect";
import type { Client, Program } from "../scenario.ts";
import { Draw } from "./draw.ts";
import { type Operation, perform, performer } from "./operation.ts";
import type { Profile } from "./profile.ts";

export function randomProgram(profile: Profile, operations: number): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const by = performer(client.filesystem, client.note);
      const draw = new Draw(client.random, client.model, profile, by.handles);
      for (let count = 0; count < operations; count++) {
        yield* perform(draw.next(), by);
      }
    });
}

export function scriptedProgram(operations: ReadonlyArray<Operation>): Program {
  return (client: Client) =>
    Effect.gen(function* () {
      const by = performer(client.filesystem, client.note);
      for (const operation of operations) yield* perform(operation, by);
    });
}

/** One program after the other, in the same client. */
export function inSequence(...programs: ReadonlyArray<Program>): Program {
  return (client: Client) => Effect.forEach(programs, (program) => program(client), { discard: true });
}
