import { describe, expect, it } from "vitest";
import { type History, Ledger } from "./ledger.ts";

interface Put {
  readonly put: number;
}
type Operation = Put | "sync" | "get";

const isPut = (operation: Operation): operation is Put => typeof operation === "object";
const isSync = (operation: Operation): boolean => operation === "sync";

/** A ledger of one client, to which operations are added in a row. */
function ledger(before?: History<Operation>): {
  readonly ledger: Ledger<Operation>;
  readonly done: (operation: Operation) => void;
} {
  const made = new Ledger<Operation>(before);
  return { ledger: made, done: (operation) => made.begin("client", operation)("acknowledged") };
}

const numbers = (puts: ReadonlyArray<Put | undefined>): ReadonlyArray<number | undefined> =>
  puts.map((put) => put?.put);

describe("a history", () => {
  it("has of an instant what had begun by then, and cuts off what had not ended", () => {
    const made = new Ledger<Operation>();
    const first = made.begin("a", { put: 1 });
    const second = made.begin("b", { put: 2 });
    first("acknowledged", "answer");
    const mark = made.mark();
    second("failed");
    made.begin("a", "sync")("acknowledged");
    const { performed } = made.at(mark);
    expect(performed).toMatchObject([
      { client: "a", outcome: "acknowledged", answer: "answer" },
      { client: "b", outcome: "cut off", ended: mark },
    ]);
    expect(made.at(made.mark()).performed.map(({ outcome }) => outcome)).toEqual([
      "acknowledged",
      "failed",
      "acknowledged",
    ]);
  });

  it("allows the last acknowledged operation and what came at the same time or later, but nothing before it", () => {
    const { ledger: made, done } = ledger();
    const last = (): ReadonlyArray<number | undefined> => numbers(made.at(made.mark()).lastOf(isPut));
    expect(last()).toEqual([undefined]);
    const first = made.begin("a", { put: 1 });
    expect(last()).toEqual([undefined, 1]);
    first("acknowledged");
    expect(last()).toEqual([1]);
    const slow = made.begin("b", { put: 2 });
    done({ put: 3 });
    expect(last()).toEqual([2, 3]);
    slow("failed");
    expect(last()).toEqual([2, 3]);
    done({ put: 4 });
    expect(last()).toEqual([4]);
    const four = made
      .at(made.mark())
      .lastOf((operation) => operation !== "sync" && operation !== "get" && operation.put > 3);
    const none: ReadonlyArray<Operation | undefined> = made.at(made.mark()).lastOf((operation) => operation === "sync");
    expect([four, none]).toEqual([[{ put: 4 }], [undefined]]);
  });

  it("holds what needs a sync to be durable only behind one that began later, or behind a close", () => {
    const { ledger: made, done } = ledger();
    const last = (): ReadonlyArray<number | undefined> => numbers(made.at(made.mark()).lastOf(isPut, isSync));
    const early = made.begin("b", "sync");
    done({ put: 1 });
    early("acknowledged");
    expect(last()).toEqual([undefined, 1]);
    done("sync");
    expect(last()).toEqual([1]);
    done({ put: 2 });
    expect(last()).toEqual([1, 2]);
    made.closed();
    expect(last()).toEqual([2]);
  });

  it("goes on after a crash, where a later sync does not cover what the crash may have taken", () => {
    const { ledger: made, done } = ledger();
    done({ put: 1 });
    const cut = made.begin("client", { put: 2 });
    const { ledger: next, done: then } = ledger(made.at(made.mark()));
    cut("acknowledged");
    then("sync");
    const history = next.at(next.mark());
    expect(history.performed.map(({ outcome, life }) => [outcome, life])).toEqual([
      ["acknowledged", 0],
      ["cut off", 0],
      ["acknowledged", 1],
    ]);
    expect(numbers(history.lastOf(isPut, isSync))).toEqual([undefined, 1, 2]);
    then({ put: 3 });
    then("sync");
    expect(numbers(next.at(next.mark()).lastOf(isPut, isSync))).toEqual([3]);
  });

  it("knows what a reader may have seen: volatile too, but not what a crash may have taken from it", () => {
    const { ledger: made, done } = ledger();
    const seen = (from: Ledger<Operation>): ReadonlyArray<number | undefined> => {
      const history = from.at(from.mark());
      const reader = history.performed.findLast(({ operation }) => operation === "get")!;
      return numbers(history.seenBy(reader, isPut, isSync));
    };
    done({ put: 1 });
    const reader = made.begin("b", "get");
    done({ put: 2 });
    reader("acknowledged");
    done({ put: 3 });
    expect(seen(made)).toEqual([1, 2]);
    const { ledger: next, done: then } = ledger(made.at(made.mark()));
    then("get");
    expect(seen(next)).toEqual([undefined, 1, 2, 3]);
    then({ put: 4 });
    then("get");
    expect(seen(next)).toEqual([4]);
  });
});
