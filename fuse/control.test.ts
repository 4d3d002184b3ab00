import { describe, expect, it } from "vitest";
import { findServer, listen } from "./control.ts";

const IDENTITY = { pid: 7, directory: "/mnt", devices: ["/dev/one"] };
let last = 0;
/** A mount that nobody else talks about. */
const someMount = (): string => `test/${process.pid}/${last++}`;

describe("the server of a mount", () => {
  it("says who it is, answers questions in order, and how it ended", async () => {
    const mount = someMount();
    let count = 0;
    const control = await listen(mount, IDENTITY, {
      // The first answer takes longer than the second one.
      slow: () => new Promise((settle) => setTimeout(() => settle(["slow", ++count]), 30)),
      quick: () => Promise.resolve({ quick: ++count }),
      broken: () => Promise.reject(new Error("no idea")),
    });
    const link = (await findServer(mount))!;
    expect(link.identity).toEqual(IDENTITY);
    expect(await Promise.all([link.ask("slow"), link.ask("quick")])).toEqual([["slow", 2], { quick: 1 }]);
    await expect(link.ask("broken")).rejects.toThrow("no idea");
    await expect(link.ask("toString")).rejects.toThrow("unknown question toString");
    await control.end({ clean: true, message: "" });
    expect(await link.ended).toEqual({ clean: true, message: "" });
    await expect(link.ask("quick")).rejects.toThrow();
    expect(await findServer(mount)).toBeUndefined();
  });

  it("that goes without a word leaves nobody waiting", async () => {
    const mount = someMount();
    const control = await listen(mount, IDENTITY, { never: () => new Promise(() => {}) });
    const link = (await findServer(mount))!;
    const asked = link.ask("never");
    link.close();
    await expect(asked).rejects.toThrow("ended without closing");
    expect((await link.ended).clean).toBe(false);
    await control.end({ clean: true, message: "" });
  });

  it("outlives whoever sends it nonsense", async () => {
    const mount = someMount();
    const control = await listen(mount, IDENTITY, { fine: () => Promise.resolve(1) });
    const { connect } = await import("node:net");
    const stranger = connect(`\0varve/mount/${mount}`);
    const said = new Promise<string>((settle) => {
      let text = "";
      stranger.on("data", (chunk) => {
        text += chunk.toString();
        if (text.split("\n").length > 2) settle(text.split("\n")[1]!);
      });
    });
    stranger.write("nonsense\n");
    expect(JSON.parse(await said)).toHaveProperty("refused");
    stranger.destroy();
    expect(await (await findServer(mount))!.ask("fine")).toBe(1);
    await control.end({ clean: true, message: "" });
  });
});
